// SPDX-License-Identifier: Apache-2.0
// Records in a file: written once, read once, in chunks.

import type { FileHandle } from 'node:fs/promises';
import { ByteReader, ByteWriter } from '../../../../base/index.ts';
import { fileError, openUnnamed } from './unnamed-file.ts';

/** A chunk is written when it has so many bytes; one record may make it longer. */
const CHUNK_BYTES = 128 * 1024;
const FILE = 'a file in the temporary folder';
/** Each chunk begins with its length. */
const HEADER_BYTES = 4;

export class SpillFile {
  /** Takes records; call {@link writeChunk} after each when {@link isFull}. */
  readonly records = new ByteWriter(CHUNK_BYTES / 8);
  private handle: FileHandle | undefined;

  /** @param folder - @default the system's temporary folder */
  constructor(private readonly folder?: string) {}

  get isFull(): boolean {
    return this.records.length >= CHUNK_BYTES;
  }

  get isEmpty(): boolean {
    return this.handle === undefined && this.records.length === 0;
  }

  async writeChunk(): Promise<void> {
    if (this.records.length === 0) return;
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt32BE(this.records.length);
    this.handle ??= await openUnnamed(this.folder);
    try {
      await this.handle.appendFile(header);
      await this.handle.appendFile(this.records.view());
    } catch (error) {
      throw fileError(error, FILE);
    }
    this.records.reset();
  }

  /** Everything that was written, in order. */
  async *chunks(): AsyncGenerator<ByteReader, void, undefined> {
    await this.writeChunk();
    const { handle } = this;
    if (!handle) return;
    let position = 0;
    const read = async (bytes: number): Promise<Buffer> => {
      const buffer = Buffer.allocUnsafeSlow(bytes);
      let at = 0;
      while (at < bytes) {
        const { bytesRead } = await handle.read(buffer, at, bytes - at, position);
        if (bytesRead === 0) break;
        at += bytesRead;
        position += bytesRead;
      }
      return buffer.subarray(0, at);
    };
    for (;;) {
      let chunk: Buffer;
      try {
        const header = await read(HEADER_BYTES);
        if (header.length === 0) return;
        chunk = await read(header.readUInt32BE());
      } catch (error) {
        throw fileError(error, FILE);
      }
      yield new ByteReader(chunk);
    }
  }

  async remove(): Promise<void> {
    const { handle } = this;
    this.handle = undefined;
    await handle?.close();
  }
}
