// SPDX-License-Identifier: Apache-2.0
// Local files that are read.

import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { readError } from '../../file-error.ts';
import { changed } from '../changed.ts';
import type { FileLook, OpenFile } from '../store.ts';

function lookOf({ ino, size, mtimeNs }: BigIntStats): FileLook {
  return { size: Number(size), version: `${ino}-${size}-${mtimeNs}` };
}

/** What a file is, or nothing where there is none. A copy that is as large and as old is no other version. */
export async function lookLocal(path: string): Promise<FileLook | undefined> {
  const there = await stat(path, { bigint: true }).catch(() => undefined);
  return there && { size: Number(there.size), version: `${there.size}-${there.mtimeNs}` };
}

/** @throws `FILE_NOT_FOUND`, `IO_FAILED`, also where the version is another one */
export async function openLocal(path: string, version?: string): Promise<OpenFile> {
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDONLY);
  } catch (error) {
    throw readError(error, path);
  }
  const file = new LocalFile(handle, path, version);
  try {
    await file.checkVersion();
    return file;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

class LocalFile implements OpenFile {
  constructor(
    private readonly handle: FileHandle,
    private readonly path: string,
    private readonly version: string | undefined,
  ) {}

  async look(): Promise<FileLook> {
    try {
      return lookOf(await this.handle.stat({ bigint: true }));
    } catch (error) {
      throw readError(error, this.path);
    }
  }

  read(buffer: Uint8Array, offset: number, length: number, position: number) {
    return this.handle.read(buffer, offset, length, position);
  }

  async checkVersion(): Promise<void> {
    if (this.version === undefined) return;
    if ((await this.look()).version !== this.version) throw changed(this.path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.handle.close();
  }
}
