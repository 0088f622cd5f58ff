// SPDX-License-Identifier: Apache-2.0
// The records of a range of an Avro file: of the blocks that begin in it.

import { BeamBridgeError } from '../../base/index.ts';
import type { RowType } from '../../schema/index.ts';
import { readError } from '../file-error.ts';
import { Misfit } from '../records/misfit.ts';
import type { RecordOptions } from '../records/read-records.ts';
import type { Batch } from '../records/records.ts';
import { openFile, type ToOpen } from '../stores/store-of.ts';
import type { FileRange } from '../text/find-files.ts';
import { type BlockCodec, blockCodec } from './codecs.ts';
import {
  type Block,
  blockAt,
  blockFrom,
  cutBlock,
  FileBytes,
  type Header,
  headerOf,
  MARKER_BYTES,
} from './container.ts';
import { Cursor, Undecodable } from './cursor.ts';
import { plainText } from './plain.ts';
import { reader } from './reader.ts';
import { leastBytes } from './schema.ts';
import { Unmatched } from './unmatched.ts';
import type { Read } from './values.ts';

/** Records that are handed on together. */
const RECORDS = 1000;

/** A file that is open. */
interface AvroFile {
  readonly file: FileBytes;
  readonly header: Header;
  readonly codec: BlockCodec;
  readonly read: Read;
}

/**
 * Looks at a file, and reads no record of it.
 *
 * @throws what {@link readAvro} does before the first
 */
export async function inspectAvro(place: ToOpen, schema: RowType<unknown>): Promise<void> {
  for await (const none of inAvroFile<never>(place, schema, async function* () {})) return none;
}

/**
 * The records of a range, in batches.
 *
 * @throws `FILE_NOT_FOUND`, `IO_FAILED` for what the disk says, and for a file that was changed
 * @throws `HEADER_MISMATCH` where the declared fields are not what the file has
 * @throws `UNSUPPORTED`, `PACKAGE_NOT_FOUND` for a codec
 * @throws `ROW_MISMATCH`, `INT64_OUT_OF_RANGE` with file, block, record and field, for a record that does not fit where
 *   these are no part of the batch
 * @throws `MALFORMED_DATA` for what is no whole Avro file
 */
export function readAvro<T>(
  range: FileRange,
  schema: RowType<unknown>,
  options: RecordOptions,
): AsyncIterable<Batch<T>> {
  const { start, whole } = range;
  return inAvroFile(range, schema, async function* recordsOf(open) {
    const { file, header } = open;
    const end = whole ? file.size : range.end;
    let at = await blockFrom(file, header, start, end);
    // Counted from the beginning of the file only where somebody asks.
    let before = options.withLines ? 0 : undefined;
    while (at !== undefined && at < Math.min(end, file.size)) {
      const block = await wholeBlock(open, at);
      const records = new BlockRecords<T>(open, at, block, options, before);
      yield* records.batches(await bytesOf(open, at, block));
      if (before !== undefined) before += block.count;
      at = block.from + block.size + MARKER_BYTES;
    }
  });
}

async function* inAvroFile<T>(
  place: ToOpen,
  schema: RowType<unknown>,
  use: (file: AvroFile) => AsyncIterable<T>,
): AsyncGenerator<T, void, undefined> {
  const { path } = place;
  try {
    await using opened = await openFile(place);
    const { size } = await opened.look();
    const file = new FileBytes(opened, path, size);
    const header = await headerOf(file);
    yield* use({ file, header, ...(await located(path, () => looked(header, schema))) });
    await opened.checkVersion();
  } catch (error) {
    throw readError(error, path);
  }
}

async function looked(header: Header, schema: RowType<unknown>) {
  const read = reader(schema, header.schema, { isLenient: false }, '');
  return { read, codec: await blockCodec(header.codec) };
}

/** Adds the file to what an error says. */
async function located<T>(path: string, look: () => Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof Unmatched) {
      const { message, hint } = error;
      throw new BeamBridgeError('HEADER_MISMATCH', `${path}: ${message}`, { hint });
    }
    if (!(error instanceof BeamBridgeError)) throw error;
    const { code, shortMessage, hint, cause } = error;
    throw new BeamBridgeError(code, `${path}: ${shortMessage}`, { hint, cause });
  }
}

/** A block, which must be whole. */
async function wholeBlock(open: AvroFile, at: number): Promise<Block> {
  const block = await blockAt(open.file, at);
  if (block) return block;
  throw cutBlock(placeName(open.file.path, await placeOf(open, at)));
}

/** The bytes of a block's records. */
async function bytesOf(open: AvroFile, at: number, { from, size }: Block): Promise<Buffer> {
  const { file, header, codec } = open;
  const bytes = await file.bytes(from, size + MARKER_BYTES);
  const where = async () => placeName(file.path, await placeOf(open, at));
  if (!bytes.subarray(size).equals(header.marker)) {
    const why = 'its end is not where it says';
    throw new BeamBridgeError('MALFORMED_DATA', `${await where()}: ${why}`, { hint: ANEW });
  }
  try {
    return await codec.decompress(bytes.subarray(0, size));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `${await where()}: it cannot be decompressed (${header.codec}): ${why}`;
    throw new BeamBridgeError('MALFORMED_DATA', message, { hint: ANEW, cause });
  }
}

const ANEW = 'Write the file anew.';

/** What is before a block. */
interface Place {
  /** How many blocks; undefined where these cannot be told from each other. */
  readonly blocks: number | undefined;
  readonly records: number;
}

/** Found by going from block to block: it is wanted only for what is wrong. */
async function placeOf({ file, header }: AvroFile, at: number): Promise<Place> {
  let blocks = 0;
  let records = 0;
  for (let next = header.end; next < at; blocks++) {
    const block = await blockAt(file, next);
    if (!block) return { blocks: undefined, records };
    records += block.count;
    next = block.from + block.size + MARKER_BYTES;
  }
  return { blocks, records };
}

function placeName(path: string, { blocks }: Place): string {
  return `${path}, ${blockName(blocks)}`;
}

function blockName(blocks: number | undefined): string {
  return blocks === undefined ? 'a block' : `block ${blocks + 1}`;
}

class BlockRecords<T> {
  private place: Place | undefined;
  private batch: Batch<T>;

  constructor(
    private readonly open: AvroFile,
    private readonly at: number,
    private readonly block: Block,
    private readonly options: RecordOptions,
    private readonly before: number | undefined,
  ) {
    this.batch = this.empty();
  }

  async *batches(bytes: Buffer): AsyncGenerator<Batch<T>, void, undefined> {
    const { count } = this.block;
    const cursor = new Cursor(bytes);
    const least = leastBytes(this.open.header.schema);
    if (count * least > bytes.length)
      throw await this.damaged(`it says that it has ${count} records in ${bytes.length} bytes`);
    for (let done = 0; done < count; ) {
      const failed = this.some(cursor, done, Math.min(done + RECORDS, count));
      if (failed === undefined) done = Math.min(done + RECORDS, count);
      else {
        await this.fail(cursor, failed);
        done = failed.index + 1;
      }
      const isFull = this.batch.records.length + this.batch.failed.length >= RECORDS;
      if (isFull || done === count) yield this.taken();
    }
    if (cursor.at < cursor.end) {
      const left = cursor.end - cursor.at;
      throw await this.damaged(`it has ${left} bytes behind its ${count} records`);
    }
  }

  private empty(): Batch<T> {
    return { path: this.open.file.path, records: [], lines: [], failed: [] };
  }

  private taken(): Batch<T> {
    const { batch } = this;
    this.batch = this.empty();
    return batch;
  }

  /** Reads records up to one that cannot be. */
  private some(cursor: Cursor, from: number, to: number): Failure | undefined {
    const { read } = this.open;
    const { records, lines } = this.batch;
    const { withLines } = this.options;
    for (let index = from; index < to; index++) {
      const { at } = cursor;
      try {
        records.push(read(cursor) as T);
        if (withLines) lines.push(this.before! + index + 1);
      } catch (error) {
        return { index, at, error };
      }
    }
    return undefined;
  }

  /** Says what is wrong with a record, and goes to the next if that is asked for. */
  private async fail(cursor: Cursor, { index, at, error }: Failure): Promise<void> {
    const { file, header } = this.open;
    if (error instanceof Misfit) {
      this.place ??= await placeOf(this.open, this.at);
      const { blocks, records } = this.place;
      const number = records + index + 1;
      const unit = `${blockName(blocks)}, record`;
      if (!this.options.withFailed) throw error.toError(file.path, number, unit);
      cursor.at = at;
      try {
        const text = plainText(cursor, header.schema);
        this.batch.failed.push(error.toFailed(file.path, number, text, unit));
        return;
      } catch (behind) {
        throw await this.unreadable(index, behind);
      }
    }
    throw await this.unreadable(index, error);
  }

  private async unreadable(index: number, error: unknown): Promise<unknown> {
    if (error instanceof Undecodable) return this.damaged(error.message, index);
    // All that the engine says of a value with itself in it so often that the stack has no room.
    if (!(error instanceof RangeError)) return error;
    const { path } = this.open.file;
    const { blocks, records } = await placeOf(this.open, this.at);
    const message = `${path}, ${blockName(blocks)}, record ${records + index + 1}: it is nested too deep`;
    return new BeamBridgeError('UNSUPPORTED', message, { cause: error });
  }

  private async damaged(why: string, index?: number): Promise<BeamBridgeError> {
    const place = await placeOf(this.open, this.at);
    const record = index === undefined ? '' : `, record ${place.records + index + 1}`;
    const where = placeName(this.open.file.path, place) + record;
    return new BeamBridgeError('MALFORMED_DATA', `${where}: ${why}`, { hint: ANEW });
  }
}

interface Failure {
  readonly index: number;
  /** Where the record begins. */
  readonly at: number;
  readonly error: unknown;
}
