// SPDX-License-Identifier: Apache-2.0
// Record batches as apache-arrow is given them: looked at, without what is not asked for, and not compressed. It takes
// what lies outside of a batch for nothing, and what is longer or shorter than was said for what is there.

import { BeamBridgeError } from '../../base/index.ts';
import { type Decoder, decoderOf } from './codecs.ts';
import { DamagedMetadata, longAt, type Table } from './flatbuffer.ts';
import { checkLength, type Piece, piecesOf } from './layout.ts';
import type { ArrowBytes, Message } from './messages.ts';
import { type Column, KIND, MESSAGE, V5 } from './metadata.ts';
import type { ArrowPackage } from './package.ts';

/** What is not asked for is read all the same where it is less than this, in bytes: it costs less than to ask anew. */
const NEAR = 1 << 16;
/** In front of a buffer that may be compressed: its length without that, or that it is not. */
const PREFIX = 8;
const NOT_COMPRESSED = -1n;

/** Which columns there are, and which are asked for. */
export class Wanted {
  /** Columns of values that others have numbers of, by the number of the dictionary. */
  private readonly dictionaries = new Map<number, { column: Column; isWanted: boolean }>();

  /** @throws `UNSUPPORTED` for columns of kinds that are not known */
  constructor(
    path: string,
    readonly columns: readonly Column[],
    readonly isWanted: (at: number) => boolean,
  ) {
    checkKinds(path, columns);
    columns.forEach((column, at) => this.find(column, isWanted(at)));
  }

  private find(column: Column, isWanted: boolean): void {
    const { dictionary } = column;
    if (dictionary) {
      const before = this.dictionaries.get(dictionary.id);
      this.dictionaries.set(dictionary.id, {
        column: before?.column ?? { ...column, dictionary: undefined },
        isWanted: isWanted || before?.isWanted === true,
      });
    }
    for (const part of column.parts) this.find(part, isWanted);
  }

  /** The buffers of a message. @throws {@link DamagedMetadata} */
  piecesOf({ kind, header, bodyBytes }: Message): { batch: Table; pieces: Piece[] } {
    if (kind === MESSAGE.batch) {
      return { batch: header, pieces: piecesOf(header, this.columns, bodyBytes, this.isWanted) };
    }
    const batch = header.table(1);
    const found = this.dictionaries.get(header.long(0));
    if (!batch || !found) throw new DamagedMetadata('a dictionary is of no column');
    const { column, isWanted } = found;
    return { batch, pieces: piecesOf(batch, [column], bodyBytes, () => isWanted) };
  }
}

/**
 * A batch with its body, as a message that has what is asked for alone.
 *
 * @throws {@link DamagedMetadata}
 * @throws `UNSUPPORTED` for what apache-arrow takes for something else
 */
export async function* batchBytes(
  arrow: ArrowPackage,
  file: ArrowBytes,
  message: Message,
  wanted: Wanted,
): AsyncGenerator<Uint8Array> {
  checkUnions(file.path, message.version, wanted.columns);
  const { batch, pieces } = wanted.piecesOf(message);
  const compression = batch.table(3);
  const packed = await readPieces(file, message.bodyStart, pieces);
  const body = compression
    ? unpacked(decoderOf(arrow, compression.byte(0), file.path), compression, packed, pieces)
    : packed;
  if (!compression) for (const piece of pieces) checkLength(piece.length, piece);
  const { head, metadataStart } = message;
  const view = new DataView(head.buffer, head.byteOffset + metadataStart);
  const { at } = batch.vector(2);
  body.places.forEach(([start, length], n) => {
    view.setBigInt64(at + 16 * n, BigInt(start), true);
    view.setBigInt64(at + 16 * n + 8, BigInt(length), true);
  });
  // Without it there is no body.
  if (message.bodyPlace !== undefined)
    view.setBigInt64(message.bodyPlace, BigInt(body.bytes.length), true);
  yield head;
  if (body.bytes.length > 0) yield body.bytes;
}

interface Body {
  readonly bytes: Uint8Array;
  /** By buffer, where it begins, and its length. */
  readonly places: readonly (readonly [start: number, length: number])[];
}

const NOWHERE = [0, 0] as const;

/** What is asked for of a body, close together. */
async function readPieces(
  file: ArrowBytes,
  bodyStart: number,
  pieces: readonly Piece[],
): Promise<Body> {
  const asked = pieces.filter(({ isWanted, length }) => isWanted && length > 0);
  const runs: { from: number; to: number; at: number }[] = [];
  let size = 0;
  for (const { start, length } of [...asked].sort((a, b) => a.start - b.start)) {
    const last = runs.at(-1);
    const to = start + length;
    if (last && start <= last.to + NEAR) last.to = Math.max(last.to, to);
    else runs.push({ from: start, to, at: 0 });
  }
  for (const run of runs) {
    run.at = size;
    size = aligned(size + run.to - run.from);
  }
  const bytes = Buffer.allocUnsafeSlow(size);
  for (const { from, to, at } of runs)
    await file.readInto(bytes.subarray(at, at + to - from), bodyStart + from);
  const placeOf = (start: number) => {
    const run = runs.findLast(({ from }) => from <= start)!;
    return run.at + start - run.from;
  };
  return {
    bytes,
    places: pieces.map(({ isWanted, start, length }) =>
      isWanted && length > 0 ? [placeOf(start), length] : NOWHERE,
    ),
  };
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}

/** The same, each buffer marked as one that is not compressed. */
function unpacked(
  { decode, most }: Decoder,
  compression: Table,
  { bytes, places }: Body,
  pieces: readonly Piece[],
): Body {
  if (compression.byte(1) !== 0) throw new DamagedMetadata('it is compressed in no known way');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let size = 0;
  const all = places.map(([start, length], n) => {
    if (length === 0) return { length: 0, at: 0, isPacked: false, bytes: bytes.subarray(0, 0) };
    if (length < PREFIX) throw new DamagedMetadata('a column ends too early');
    const isPacked = view.getBigInt64(start, true) !== NOT_COMPRESSED;
    const held = bytes.subarray(start + PREFIX, start + length);
    const unpackedLength = isPacked ? longAt(view, start) : held.length;
    if (unpackedLength < 0 || (isPacked && unpackedLength > most(held.length)))
      throw new DamagedMetadata('a column has no such length');
    checkLength(unpackedLength, pieces[n]!);
    const at = size;
    size = aligned(size + PREFIX + unpackedLength);
    return { length: PREFIX + unpackedLength, at, isPacked, bytes: held };
  });
  const body = new Uint8Array(size);
  const marks = new DataView(body.buffer);
  for (const { length, at, isPacked, bytes: held } of all) {
    if (length === 0) continue;
    marks.setBigInt64(at, NOT_COMPRESSED, true);
    const one = isPacked ? unpack(decode, held, length - PREFIX) : held;
    if (one.length !== length - PREFIX)
      throw new DamagedMetadata('a column is not as long as it says');
    body.set(one, at + PREFIX);
  }
  return { bytes: body, places: all.map(({ at, length }) => [at, length]) };
}

/** @throws {@link DamagedMetadata} for what the codec refuses */
function unpack(decode: Decoder['decode'], bytes: Uint8Array, size: number): Uint8Array {
  try {
    return decode(bytes, size);
  } catch (error) {
    if (error instanceof BeamBridgeError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new DamagedMetadata(`a column cannot be unpacked: ${why}`);
  }
}

/** @throws `UNSUPPORTED` for a union as versions before the fifth have it, which apache-arrow takes for another column */
function checkUnions(path: string, version: number, columns: readonly Column[]): void {
  const hasUnion = ({ kind, parts }: Column): boolean =>
    kind === KIND.union || parts.some(hasUnion);
  const union = version < V5 ? columns.find(hasUnion) : undefined;
  if (!union) return;
  throw new BeamBridgeError(
    'UNSUPPORTED',
    `${path} has metadata of version V4, and a union in its column ${union.name}`,
    { hint: 'Write it with version V5, which is the default of pyarrow, or without that column.' },
  );
}

const KINDS: readonly number[] = Object.values(KIND);

/** @throws `UNSUPPORTED` for kinds whose buffers are not known here, nor to apache-arrow */
function checkKinds(path: string, columns: readonly Column[]): void {
  const isUnknown = ({ kind, parts }: Column): boolean =>
    !KINDS.includes(kind) || parts.some(isUnknown);
  const unknown = columns.find(isUnknown);
  if (!unknown) return;
  throw new BeamBridgeError(
    'UNSUPPORTED',
    `${path} cannot be read: apache-arrow does not know the kind of its column ${unknown.name}`,
    { hint: 'Write it without that column, or as another kind: run-end encoding, say, as values.' },
  );
}
