// SPDX-License-Identifier: Apache-2.0
// Messages of Arrow's format one after the other, each of which is looked at before it is decoded: that it is whole, and
// that its numbers lie as this machine has them.

import { BeamBridgeError } from '../../base/index.ts';
import { changed } from '../stores/changed.ts';
import type { OpenFile } from '../stores/store.ts';

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
    for (let at = 0; at < bytes.length; ) {
      const { bytesRead } = await this.opened.read(bytes, at, bytes.length - at, start + at);
      if (bytesRead === 0) throw changed(this.path);
      at += bytesRead;
    }
    return bytes;
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
const SCHEMA = 1;
const BATCH = 3;

/** A table of a flatbuffer, of which the format's metadata are. */
class Table {
  constructor(
    private readonly view: DataView,
    private readonly at: number,
  ) {}

  static root(bytes: Uint8Array): Table {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return new Table(view, view.getUint32(0, true));
  }

  /** Where a field is; nothing for one that is not there. */
  private field(id: number): number | undefined {
    const fields = this.at - this.view.getInt32(this.at, true);
    if (4 + 2 * id >= this.view.getUint16(fields, true)) return undefined;
    const offset = this.view.getUint16(fields + 4 + 2 * id, true);
    return offset === 0 ? undefined : this.at + offset;
  }

  byte(id: number): number {
    const at = this.field(id);
    return at === undefined ? 0 : this.view.getUint8(at);
  }

  short(id: number): number {
    const at = this.field(id);
    return at === undefined ? 0 : this.view.getInt16(at, true);
  }

  long(id: number): number {
    const at = this.field(id);
    return at === undefined ? 0 : Number(this.view.getBigInt64(at, true));
  }

  table(id: number): Table | undefined {
    const at = this.field(id);
    return at === undefined ? undefined : new Table(this.view, at + this.view.getUint32(at, true));
  }
}

/** @throws `UNSUPPORTED` for numbers that lie the other way round */
function checkEndianness(path: string, schema: Table | undefined): void {
  if (schema?.short(0) !== 1) return;
  throw new BeamBridgeError('UNSUPPORTED', `${path} is big-endian`, {
    hint: 'Write it on a machine that is little-endian, as nearly all are.',
  });
}

/** @param footer - of a file, without its length */
export function checkFooter(path: string, footer: Uint8Array): void {
  try {
    checkEndianness(path, Table.root(footer).table(1));
  } catch (error) {
    throw error instanceof RangeError ? damaged(path, 'its footer is none', error) : error;
  }
}

/** A message of a file. */
export interface Message {
  /** Where the next one begins. */
  readonly next: number;
  /** How many rows it has, if it is a record batch. */
  readonly rows: number | undefined;
  /** What is in front of its body. */
  readonly head: Buffer;
}

/**
 * The message at a place, without its body; nothing where the messages end.
 *
 * @throws `MALFORMED_DATA` for one that is not whole
 */
export async function messageAt(file: ArrowBytes, at: number): Promise<Message | undefined> {
  if (at === file.size) return undefined;
  const prefix = await file.read(at, Math.min(at + 8, file.size));
  if (prefix.length < 4) throw damaged(file.path, 'it is cut off');
  const isOld = prefix.readInt32LE(0) !== CONTINUATION;
  const prefixed = isOld ? 4 : 8;
  if (prefix.length < prefixed) throw damaged(file.path, 'it is cut off');
  const length = prefix.readInt32LE(prefixed - 4);
  if (length === 0) return undefined;
  if (length < 8) throw damaged(file.path, `no message begins at ${at}`);
  const head = await file.read(at, at + prefixed + length);
  try {
    const message = Table.root(head.subarray(prefixed));
    const kind = message.byte(1);
    const header = message.table(2);
    if (kind === SCHEMA) checkEndianness(file.path, header);
    const body = message.long(3);
    const next = at + head.length + body;
    if (body < 0 || next > file.size) throw damaged(file.path, 'it is cut off');
    return { head, next, rows: kind === BATCH ? header?.long(0) : undefined };
  } catch (error) {
    throw error instanceof RangeError
      ? damaged(file.path, `no message begins at ${at}`, error)
      : error;
  }
}

/** A message with its body. */
export async function* bytesOf(
  file: ArrowBytes,
  { head, next }: Message,
  at: number,
): AsyncGenerator<Uint8Array> {
  yield head;
  const start = at + head.length;
  if (next > start) yield await file.read(start, next);
}
