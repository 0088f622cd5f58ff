// SPDX-License-Identifier: Apache-2.0
// What all stores of objects can do, each by its own package. What these throw is told apart in failures.ts.

import type { FileLook } from '../store.ts';

/** An object that was listed. */
export interface ListedObject {
  readonly key: string;
}

/** Bytes of an object, as they come. */
export interface ObjectBytes {
  /** Of the object that they are of; nothing where the store does not say. */
  readonly version: string | undefined;
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** What is known of a name in front of an object appearing under it. */
export type Before = FileLook | 'nothing' | 'unknown';

/** An object that is being written, and that nobody sees before it is whole. */
export interface Upload {
  /** Has the store agree to it, before there is a byte. */
  begin(): Promise<void>;
  /** Sends the next bytes, all of which but the last are at least 8 MiB. */
  write(bytes: Buffer): Promise<void>;
  /**
   * Has the object appear. What it throws says that it is not there, but for `Unsettled`.
   *
   * @param before - of its name
   */
  finish(before: Before): Promise<void>;
  /** Has nothing be left of it. */
  abort(): Promise<void>;
}

/** Where objects can be read of which the names are known. */
export interface ObjectReader {
  /** As it stands in paths: `s3`. */
  readonly scheme: string;
  /** What a hint says of credentials. */
  readonly credentials: string;
  /** Nothing where there is no such object. */
  look(bucket: string, key: string): Promise<FileLook | undefined>;
  /**
   * The bytes from `start` to before `end`.
   *
   * @param version - which object is meant: of another there must be none
   */
  get(
    bucket: string,
    key: string,
    version: string,
    start: number,
    end: number,
    signal: AbortSignal,
  ): Promise<ObjectBytes>;
}

export interface ObjectClient extends ObjectReader {
  /** Objects whose keys begin so, in pages as the store gives them. */
  list(bucket: string, prefix: string): AsyncIterable<ListedObject>;
  upload(bucket: string, key: string): Promise<Upload>;
  /** Removes objects; one that is not there is removed already. */
  remove(bucket: string, keys: readonly string[]): Promise<void>;
}
