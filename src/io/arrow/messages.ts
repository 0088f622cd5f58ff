// SPDX-License-Identifier: Apache-2.0
// Messages of Arrow's format one after the other, each of which is looked at before it is decoded: that it is whole, and
// that its numbers lie as this machine has them.

import { BeamBridgeError } from '../../base/index.ts';
import { changed } from '../stores/changed.ts';
import type { OpenFile } from '../stores/store.ts';
import { DamagedMetadata, longAt, Table } from './flatbuffer.ts';
import {
  type Column,
  columnsOf,
  FOOTER_SHAPE,
  MESSAGE,
  MESSAGE_SHAPE,
  V4,
  V5,
} from './metadata.ts';
import type { ArrowBlock } from './package.ts';

/** Bytes of a file by their place. */
export class ArrowBytes {
  constructor(
    readonly path: string,
    readonly size: number,
    private readonly opened: OpenFile,
  ) {}

  /** @throws `MALFORMED_DATA` for what is beyond the end */
  async read(start: number, end: number): Promise<Buffer> {
    if (!(start >= 0 && start <= end && end <= this.size))
      throw damaged(this.path, 'it is cut off');
    // Aligned, as numbers in it want to be.
    const bytes = Buffer.allocUnsafeSlow(end - start);
    await this.readInto(bytes, start);
    return bytes;
  }

  /** What begins at a place, as much as there is room for. */
  async readInto(bytes: Buffer, start: number): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const { bytesRead } = await this.opened.read(bytes, at, bytes.length - at, start + at);
      if (bytesRead === 0) throw changed(this.path);
      at += bytesRead;
    }
  }
}

export function damaged(path: string, why: string, cause?: unknown): BeamBridgeError {
  return new BeamBridgeError('MALFORMED_DATA', `${path} is no whole Arrow file: ${why}`, {
    hint: 'Arrow files are those that pyarrow.ipc and pandas.to_feather write, and streams of that format. Write it anew.',
    cause,
  });
}

/** In front of the length of a message. */
const CONTINUATION = -1;

/** @throws `UNSUPPORTED` for numbers that lie the other way round */
function checkEndianness(path: string, schema: Table | undefined): void {
  if (schema?.short(0) !== 1) return;
  throw new BeamBridgeError('UNSUPPORTED', `${path} is big-endian`, {
    hint: 'Write it on a machine that is little-endian, as nearly all are.',
  });
}

/** @throws `UNSUPPORTED` for versions whose columns lie otherwise */
function checkVersion(path: string, version: number): void {
  if (version === V4 || version === V5) return;
  throw new BeamBridgeError('UNSUPPORTED', `${path} has metadata of version V${version + 1}`, {
    hint: 'Write it with version V5, which is the default of pyarrow.',
  });
}

/** What reads metadata. @throws `MALFORMED_DATA` where they are damaged */
export function reading<T>(path: string, what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof DamagedMetadata) throw damaged(path, `${what}: ${error.why}`, error);
    throw error instanceof RangeError ? damaged(path, what, error) : error;
  }
}

/** What is said at the end of a file. */
export interface Footer {
  readonly columns: readonly Column[];
  readonly batches: readonly ArrowBlock[];
  readonly dictionaries: readonly ArrowBlock[];
}

/** @param bytes - of a footer, without its length */
export function footerOf(path: string, bytes: Uint8Array, start: number): Footer {
  return reading(path, 'its footer is none', () => {
    const footer = Table.root(bytes, FOOTER_SHAPE);
    const schema = footer.table(1);
    if (!schema) throw new DamagedMetadata('it has no schema');
    checkEndianness(path, schema);
    checkVersion(path, footer.short(0));
    const blocks = (id: number) => {
      const numbers = blockNumbers(footer.vector(id), bytes);
      for (const { offset, metaDataLength, bodyLength } of numbers) {
        const isInside = offset >= 8 && metaDataLength > 0 && bodyLength >= 0;
        if (!isInside || offset + metaDataLength + bodyLength > start)
          throw new DamagedMetadata('it tells of a batch that is not in the file');
      }
      return numbers;
    };
    return { columns: columnsOf(schema), dictionaries: blocks(2), batches: blocks(3) };
  });
}

/** Where batches are: 24 bytes each. */
function blockNumbers(
  { at, length }: { at: number; length: number },
  bytes: Uint8Array,
): ArrowBlock[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length }, (_, n) => {
    const from = at + 24 * n;
    return {
      offset: longAt(view, from),
      metaDataLength: view.getInt32(from + 8, true),
      bodyLength: longAt(view, from + 16),
    };
  });
}

/** A message of a file. */
export interface Message {
  readonly version: number;
  readonly kind: number;
  readonly header: Table;
  /** Where the next one begins. */
  readonly next: number;
  /** How many rows it has, if it is a record batch. */
  readonly rows: number | undefined;
  /** What is in front of its body, and where the metadata begin in it. */
  readonly head: Buffer;
  readonly metadataStart: number;
  readonly bodyStart: number;
  readonly bodyBytes: number;
  /** Where the length of its body is in the metadata. */
  readonly bodyPlace: number | undefined;
}

const KINDS: readonly number[] = Object.values(MESSAGE);

/**
 * The message at a place, without its body; nothing where the messages end.
 *
 * @throws `MALFORMED_DATA` for one that is not whole
 */
export async function messageAt(file: ArrowBytes, at: number): Promise<Message | undefined> {
  const { path } = file;
  if (at === file.size) return undefined;
  const prefix = await file.read(at, Math.min(at + 8, file.size));
  if (prefix.length < 4) throw damaged(path, 'it is cut off');
  const isOld = prefix.readInt32LE(0) !== CONTINUATION;
  const metadataStart = isOld ? 4 : 8;
  if (prefix.length < metadataStart) throw damaged(path, 'it is cut off');
  const length = prefix.readInt32LE(metadataStart - 4);
  if (length === 0) return undefined;
  if (length < 8) throw damaged(path, `no message begins at ${at}`);
  const head = await file.read(at, at + metadataStart + length);
  return reading(path, `no message begins at ${at}`, () => {
    const message = Table.root(head.subarray(metadataStart), MESSAGE_SHAPE);
    const [version, kind, header] = [message.short(0), message.byte(1), message.table(2)];
    checkVersion(path, version);
    if (!header || !KINDS.includes(kind)) throw new DamagedMetadata('it is of no known kind');
    if (kind === MESSAGE.schema) checkEndianness(path, header);
    const bodyBytes = message.long(3);
    const bodyStart = at + head.length;
    const next = bodyStart + bodyBytes;
    if (bodyBytes < 0 || next > file.size) throw damaged(path, 'it is cut off');
    const rows = kind === MESSAGE.batch ? header.long(0) : undefined;
    const bodyPlace = message.place(3);
    return {
      ...{ version, kind, header, next, rows },
      ...{ head, metadataStart, bodyStart, bodyBytes, bodyPlace },
    };
  });
}
