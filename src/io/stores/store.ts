// SPDX-License-Identifier: Apache-2.0
// What readers and writers of files ask of where the files are: the file system, or another store. Formats know
// nothing of stores beyond this file, and a store nothing of formats.

/** Which contents a file has, and how much they are. */
export interface FileLook {
  /** In bytes. */
  readonly size: number;
  /** Another text for other contents of the same name. */
  readonly version: string;
}

/** A file that is open for reading. */
export interface OpenFile extends AsyncDisposable {
  /** @throws `FILE_NOT_FOUND`, `IO_FAILED` */
  look(): Promise<FileLook>;
  /** As `read` of Node's `FileHandle`: fewer bytes than asked for are no end, none are. */
  read(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ bytesRead: number }>;
  /**
   * Whether all that was read is of the version that the file was opened as.
   *
   * @throws `IO_FAILED` when it is not
   */
  checkVersion(): Promise<void>;
}

/** A whole file, and the name that it is to have. */
export interface Move {
  from: string;
  to: string;
  /** The folder for temporary files that `from` is in. */
  temporary: string;
}

/** Where outputs go: temporary files, and the names that whole files get in the end. */
export interface Outputs {
  /** What is between the names of a path. */
  readonly separator: string;
  /** One text for all ways to name a path, as far as they are known before anything is written. */
  canonical(prefix: string): string;
  /**
   * Finds out early that an output cannot be written, as far as that takes no waiting.
   *
   * @throws `OUTPUT_NOT_WRITABLE`
   */
  checkWritable(prefix: string): void;
  /**
   * A folder for an output's temporary files, which nobody takes for output.
   *
   * @param isOwn - whether all of the run happens in this process, with whose end the folder then goes
   * @param mark - `Pipeline.runMark`, by which another process finds it
   * @throws `OUTPUT_NOT_WRITABLE`
   */
  makeTemporary(prefix: string, isOwn: boolean, mark: string | undefined): Promise<string>;
  /** Removes such a folder; what cannot be removed is told of, and is no reason to fail. */
  removeTemporary(folder: string): Promise<void>;
  /** Removes those that other processes of the run made, as far as they can be seen from here. */
  removeMarked(prefix: string, mark: string): Promise<void>;
  /** The folder of this machine that parts are written to. */
  partFolder(temporary: string): Promise<string>;
  /** Puts a part that is written to where the last step finds it, wherever that runs; gives its path there. */
  keepPart(temporary: string, path: string): Promise<string>;
  /** The local path of a part that was kept, for whoever joins it; and what is done with that afterwards. */
  bringPart(temporary: string, path: string): Promise<string>;
  leavePart(temporary: string, path: string): Promise<void>;
  /**
   * Makes a file whole that only wants its name; the parts that its bytes are of stay, so that this can be repeated.
   *
   * @param only - the temporary file that has just these bytes, where there is one
   */
  complete(
    to: string,
    temporary: string,
    index: number,
    bytes: () => AsyncIterable<Uint8Array>,
    only: string | undefined,
  ): Promise<Move>;
  /** @throws `OUTPUT_NOT_WRITABLE` where a file cannot have this name */
  refuseName(path: string): Promise<void>;
  /**
   * Gives whole files their names, in folders that are made, all of them or none as far as the store can. May be repeated.
   *
   * @throws `OUTPUT_NOT_WRITABLE`, `IO_FAILED`
   */
  place(moves: readonly Move[]): Promise<void>;
  /**
   * Gives one whole file its name at once, in the place of one that has it. May be repeated, also for another file of that name.
   *
   * @throws `OUTPUT_NOT_WRITABLE`, `IO_FAILED`
   */
  replace(move: Move): Promise<void>;
  /** The names of files in a folder; none where that cannot be told. */
  names(folder: string): Promise<string[]>;
}

/** Where files are. */
export interface Store {
  /**
   * The path that a person means, without a scheme where none is needed.
   *
   * @throws `INVALID_ARGUMENT` for a URL that means no file
   */
  pathOf(given: string): string;
  /** A prefix of output files as an absolute path. */
  absolute(prefix: string): string;
  /**
   * The paths of the files that match, sorted.
   *
   * @throws `FILE_NOT_FOUND` when nothing matches, unless that is allowed
   */
  find(pattern: string, cwd: string, allowEmptyMatch: boolean): Promise<string[]>;
  /** What a file is, or nothing where there is none. */
  look(path: string): Promise<FileLook | undefined>;
  /**
   * Opens a file for reading.
   *
   * @param version - which contents are meant; nothing for those that are there
   * @param end - where reading most likely ends, so that not much more is asked for
   * @throws `FILE_NOT_FOUND`, `IO_FAILED`, also where the version is another one
   */
  open(path: string, version?: string, end?: number): Promise<OpenFile>;
  /** Nothing where files can only be read. */
  readonly outputs: Outputs | undefined;
}
