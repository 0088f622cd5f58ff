// SPDX-License-Identifier: Apache-2.0
// The package better-sqlite3, which users install if they want it: what we use of it.

import { optionalPackage } from '../optional-package.ts';

/** A value as SQLite stores it; whole numbers are bigints. */
export type Stored = null | bigint | number | string | Uint8Array;

export interface Statement {
  raw(isRaw: true): this;
  safeIntegers(areSafe: true): this;
  run(...values: readonly Stored[]): { readonly changes: number | bigint };
  all(...values: readonly Stored[]): Stored[][];
  iterate(...values: readonly Stored[]): IterableIterator<Stored[]>;
  columns(): readonly { readonly name: string }[];
}

export interface SqliteDatabase {
  prepare(text: string): Statement;
  exec(text: string): unknown;
  close(): void;
  readonly inTransaction: boolean;
}

/** What we use of the package. */
export type SqlitePackage = new (
  file: string,
  options: { readonly: boolean; fileMustExist: boolean; timeout: number },
) => SqliteDatabase;

/** @throws BeamBridgeError `PACKAGE_NOT_FOUND` */
export async function sqlitePackage(): Promise<SqlitePackage> {
  const loaded = await optionalPackage<{ default: SqlitePackage }>('better-sqlite3', 'SQLite');
  return loaded.default;
}
