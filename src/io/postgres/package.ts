// SPDX-License-Identifier: Apache-2.0
// The package pg, which users install if they want it: what we use of it.

import { optionalPackage } from '../optional-package.ts';

/** What a client is told. */
export interface ClientOptions {
  readonly connectionString?: string;
  readonly host?: string;
  readonly port?: number;
  readonly database?: string;
  readonly user?: string;
  readonly password?: string | (() => string | Promise<string>);
  readonly ssl?: boolean | Readonly<Record<string, unknown>>;
  readonly [option: string]: unknown;
}

/** The answer to a statement. */
export interface PgResult {
  readonly rows: (string | null)[][];
  readonly fields: readonly {
    readonly name: string;
    readonly dataTypeID: number;
    readonly dataTypeModifier: number;
  }[];
}

/** The connection below a client. */
export interface PgConnection {
  readonly stream: {
    readonly writableNeedDrain: boolean;
    once(event: 'drain', listener: () => void): unknown;
    off(event: 'drain', listener: () => void): unknown;
    destroy(): unknown;
    pause(): unknown;
    resume(): unknown;
  };
  query(text: string): void;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}

/** Work of one's own on a connection. */
export interface Submittable {
  submit(connection: PgConnection): void;
}

export interface PgClient {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly password: unknown;
  readonly connection: PgConnection;
  connect(): Promise<unknown>;
  query(submittable: Submittable): unknown;
  query(statement: {
    text: string;
    values?: readonly unknown[];
    rowMode: 'array';
  }): Promise<PgResult>;
  end(): Promise<void>;
  ref(): void;
  unref(): void;
  on(event: 'error', listener: (error: unknown) => void): unknown;
}

/** What we use of the package. */
export interface PgPackage {
  readonly Client: new (options: ClientOptions) => PgClient;
}

/** @throws BeamBridgeError `PACKAGE_NOT_FOUND` */
export async function pgPackage(): Promise<PgPackage> {
  const loaded = await optionalPackage<{ default: PgPackage }>('pg', 'PostgreSQL');
  return loaded.default;
}
