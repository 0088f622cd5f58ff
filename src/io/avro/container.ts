// SPDX-License-Identifier: Apache-2.0
// Object container files: a header with the schema, and blocks of records with a marker behind each.
// Source: https://avro.apache.org/docs/1.12.0/specification/#object-container-files

import { BeamBridgeError } from '../../base/index.ts';
import { changed } from '../stores/changed.ts';
import type { OpenFile } from '../stores/store.ts';
import { Cursor, Undecodable } from './cursor.ts';
import { type AvroSchema, NoSchema, parseSchema } from './schema.ts';

export const MAGIC = Buffer.from('Obj\x01', 'latin1');
export const MARKER_BYTES = 16;
/** What is before a block's bytes is at most two whole numbers of 64 bits. */
const BLOCK_HEAD = 20;
const PIECE = 256 * 1024;

/** What a file says of itself. */
export interface Header {
  readonly schema: AvroSchema;
  /** The schema's JSON. */
  readonly text: string;
  readonly codec: string;
  readonly marker: Buffer;
  /** Where the first block begins. */
  readonly end: number;
}

/** A block that was found. */
export interface Block {
  /** How many records it has. */
  readonly count: number;
  /** How many bytes, as they are compressed. */
  readonly size: number;
  /** Where these begin. */
  readonly from: number;
}

/** A file's bytes, of which a piece is read ahead. */
export class FileBytes {
  private piece: Buffer = Buffer.alloc(0);
  private begin = 0;

  constructor(
    private readonly opened: OpenFile,
    readonly path: string,
    readonly size: number,
  ) {}

  /** So many bytes, or as many as there are up to the end. */
  async bytes(from: number, length: number): Promise<Buffer> {
    const wanted = Math.max(Math.min(length, this.size - from), 0);
    const at = from - this.begin;
    if (at >= 0 && at + wanted <= this.piece.length) return this.piece.subarray(at, at + wanted);
    const most = Math.min(Math.max(wanted, PIECE), this.size - from);
    const piece = Buffer.allocUnsafe(most);
    for (let read = 0; read < most; ) {
      const { bytesRead } = await this.opened.read(piece, read, most - read, from + read);
      if (bytesRead === 0) throw changed(this.path);
      read += bytesRead;
    }
    this.piece = piece;
    this.begin = from;
    return piece.subarray(0, wanted);
  }
}

/** @throws `MALFORMED_DATA` for what is no Avro file, or only the beginning of one */
export async function headerOf(file: FileBytes): Promise<Header> {
  const { path, size } = file;
  const first = await file.bytes(0, MAGIC.length);
  if (!first.equals(MAGIC.subarray(0, first.length)) || first.length === 0) {
    throw new BeamBridgeError('MALFORMED_DATA', `${path} is no Avro file`, {
      hint: first.subarray(0, 2).equals(Buffer.from([0x1f, 0x8b]))
        ? 'It is compressed as a whole: decompress it first.'
        : 'Such a file begins with Obj and the byte 1.',
    });
  }
  for (let length = PIECE; ; length *= 4) {
    const bytes = await file.bytes(0, length);
    try {
      return parsedHeader(bytes);
    } catch (error) {
      if (error instanceof NoSchema)
        throw new BeamBridgeError(
          'MALFORMED_DATA',
          `${path}: its schema cannot be read: ${error.message}`,
        );
      if (!(error instanceof Undecodable)) throw error;
      if (length < size) continue;
      throw new BeamBridgeError('MALFORMED_DATA', `${path}: its header has no end`, {
        hint: CUT,
      });
    }
  }
}

const CUT = 'It was cut, or is still being written.';

function parsedHeader(bytes: Buffer): Header {
  const cursor = new Cursor(bytes);
  cursor.skip(MAGIC.length);
  const meta = new Map<string, Buffer>();
  for (let count = cursor.count(2); count > 0; count = cursor.count(2)) {
    for (let at = 0; at < count; at++) {
      const key = cursor.content().toString('utf8');
      meta.set(key, cursor.content());
    }
  }
  const marker = Buffer.from(cursor.raw(MARKER_BYTES));
  const text = meta.get('avro.schema')?.toString('utf8');
  if (text === undefined) throw new NoSchema('there is none');
  const codec = meta.get('avro.codec')?.toString('utf8') || 'null';
  return { schema: parseSchema(jsonOf(text)), text, codec, marker, end: cursor.at };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new NoSchema((cause as Error).message);
  }
}

/**
 * Where the first block is that begins at a place or behind it, and before another; undefined for none. What tells is
 * the marker in front of it.
 */
export async function blockFrom(
  file: FileBytes,
  { end, marker }: Header,
  from: number,
  to: number,
): Promise<number | undefined> {
  if (from <= end) return end < to ? end : undefined;
  for (let at = from - MARKER_BYTES; at + MARKER_BYTES < to; at += PIECE) {
    // As much more as a marker may be behind the end of the piece.
    const bytes = await file.bytes(at, PIECE + MARKER_BYTES - 1);
    const found = bytes.indexOf(marker);
    if (found < 0) continue;
    const block = at + found + MARKER_BYTES;
    return block < to && block < file.size ? block : undefined;
  }
  return undefined;
}

/** What a block says of itself; undefined for one of which nobody can say where it ends. */
export async function blockAt(file: FileBytes, at: number): Promise<Block | undefined> {
  const cursor = new Cursor(await file.bytes(at, BLOCK_HEAD));
  try {
    const count = cursor.long();
    const size = cursor.long();
    const from = at + cursor.at;
    const isWhole = Number.isSafeInteger(count) && count >= 0 && size >= 0;
    return isWhole && from + size + MARKER_BYTES <= file.size ? { count, size, from } : undefined;
  } catch (error) {
    if (error instanceof Undecodable) return undefined;
    throw error;
  }
}

/** The error of a block that is not whole. */
export function cutBlock(where: string): BeamBridgeError {
  return new BeamBridgeError('MALFORMED_DATA', `${where}: it is not whole`, { hint: CUT });
}
