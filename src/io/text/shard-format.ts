// SPDX-License-Identifier: Apache-2.0
// What writing files asks of a format: the temporary file of a bundle's elements, and the file that several of
// these are together.

/** What a bundle wrote. */
export interface Part {
  path: string;
  /** On the disk. */
  bytes: number;
  records: number;
  /** Before compression; 0 where it is not bounded. */
  textBytes: number;
  /** Which shard it belongs to, when their number was asked for. */
  shard: number;
  /** What follows the prefix in its file's name, and its window there, where these are told apart. */
  destination?: string;
  window?: string;
  /** What the format wants to know of it when it is joined with others: plain data. */
  detail?: unknown;
}

/** A temporary file that elements, as `R`, are written to. */
export interface PartWriter<R> {
  readonly path: string;
  /** Gives a promise only when there is something to wait for. */
  append(record: R): Promise<void> | undefined;
  /** Writes what is left. */
  close(): Promise<Pick<Part, 'bytes' | 'detail'>>;
}

/** A format of files. */
export interface ShardFormat<R> {
  /** The bytes of a file without elements, and those between two of them: before compression, and so far as they count. */
  readonly frameBytes: number;
  readonly separatorBytes: number;
  /** What an element adds to that. */
  sizeOf(record: R): number;
  /** Finds out before there are elements that none can be written, such as a package that is not there. */
  prepare?(): Promise<void>;
  /**
   * Begins a part.
   *
   * @param files - how many are written at the same time, and share the memory
   * @throws `OUTPUT_NOT_WRITABLE` when the file cannot be made
   */
  begin(path: string, files: number): Promise<PartWriter<R>>;
  /** Whether a part is a file of this format already. */
  readonly isWhole: boolean;
  /** The bytes of a file of these parts, of which there may be none. They stay, so that this can be repeated. */
  join(parts: readonly Part[]): AsyncIterable<Uint8Array>;
}
