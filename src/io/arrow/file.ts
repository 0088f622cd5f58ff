// SPDX-License-Identifier: Apache-2.0
// An Arrow file that is open: the file format, whose footer says where record batches are, or a stream of messages, which
// is read from its beginning to its end.

import { isDeepStrictEqual } from 'node:util';
import { BeamBridgeError } from '../../base/index.ts';
import type { RowType } from '../../schema/index.ts';
import { readError } from '../file-error.ts';
import type { StoreOptions } from '../stores/options.ts';
import { openFile } from '../stores/store-of.ts';
import { batchBytes, Wanted } from './body.ts';
import { prepareZstd, registerCodecs } from './codecs.ts';
import { type Bind, matchRow } from './columns.ts';
import { ArrowBytes, damaged, footerOf, type Message, messageAt, reading } from './messages.ts';
import { type Column, columnsOf, MESSAGE } from './metadata.ts';
import {
  type ArrowBatch,
  type ArrowBlock,
  type ArrowPackage,
  type ArrowSchema,
  arrowPackage,
  footerPackage,
} from './package.ts';

/** What a program said of its files. */
export interface ArrowFormat {
  readonly schema: RowType<unknown>;
  /** By field, the name of its column where that is another one. */
  readonly names: Readonly<Record<string, string>>;
  readonly stores: StoreOptions | undefined;
}

/** Record batches, of which the rows are asked for. */
export interface OpenArrow {
  readonly arrow: ArrowPackage;
  /** How rows of a batch are read. */
  readonly bind: Bind;
  readonly batches: AsyncIterable<ArrowBatch>;
  /** How many rows are before the first of these batches. */
  rowsBefore(): Promise<number>;
}

const MARK = 'ARROW1';
/** Behind a footer: its length, and the mark. */
const BEHIND = 10;

/**
 * Does something with the batches that begin in a part of a file, which is closed then.
 *
 * @throws `FILE_NOT_FOUND`, `IO_FAILED` for what the disk says, and for a file that was changed
 * @throws `MALFORMED_DATA` for what is no whole Arrow file, `UNSUPPORTED` for one that cannot be read
 * @throws `HEADER_MISMATCH` where the declared columns are not what there is
 * @throws `PACKAGE_NOT_FOUND` without `apache-arrow`
 */
export async function* inArrowFile<T>(
  { path, version, start, end }: { path: string; version?: string; start: number; end: number },
  format: ArrowFormat,
  use: (opened: OpenArrow) => AsyncIterable<T>,
): AsyncGenerator<T, void, undefined> {
  const arrow = await arrowPackage();
  registerCodecs(arrow);
  await prepareZstd();
  try {
    await using opened = await openFile({ path, version, stores: format.stores });
    const { size } = await opened.look();
    const file = new ArrowBytes(path, size, opened);
    const mark = (await file.read(0, Math.min(6, size))).toString('latin1');
    if (mark.startsWith('FEA1')) {
      throw new BeamBridgeError('UNSUPPORTED', `${path} is a Feather file of version 1`, {
        hint: "Write it anew: pandas' to_feather has written version 2, which is Arrow's file format, since 1.1.",
      });
    }
    const isFile = mark === MARK;
    const bytes = isFile
      ? await bytesOfFile(arrow, file, format, start, end)
      : { messages: messagesFrom(arrow, file, format), rowsBefore: async () => 0 };
    // A stream is read by whoever has its beginning.
    if (isFile || start === 0) yield* inBatches(arrow, path, bytes, format, use);
    await opened.checkVersion();
  } catch (error) {
    throw readError(error, path);
  }
}

interface Bytes {
  readonly messages: AsyncIterable<Uint8Array>;
  rowsBefore(): Promise<number>;
}

async function* inBatches<T>(
  arrow: ArrowPackage,
  path: string,
  { messages, rowsBefore }: Bytes,
  format: ArrowFormat,
  use: (opened: OpenArrow) => AsyncIterable<T>,
): AsyncGenerator<T, void, undefined> {
  const reader = await decoding(path, async () =>
    (await arrow.RecordBatchReader.from(messages)).open(),
  );
  const bind = bound(path, arrow, format, reader.schema);
  yield* use({ arrow, bind, batches: decoded(path, reader), rowsBefore });
}

/** @throws `HEADER_MISMATCH` with the file */
function bound(
  path: string,
  arrow: ArrowPackage,
  { schema, names }: ArrowFormat,
  held: ArrowSchema,
): Bind {
  try {
    return matchRow(arrow, schema, held.fields, undefined, (field) => columnOf(names, field));
  } catch (error) {
    if (!(error instanceof BeamBridgeError)) throw error;
    const { code, shortMessage, hint, cause } = error;
    throw new BeamBridgeError(code, `${path}: ${shortMessage}`, { hint, cause });
  }
}

async function* decoded(path: string, batches: AsyncIterable<ArrowBatch>) {
  const iterator = batches[Symbol.asyncIterator]();
  for (;;) {
    const { value, done } = await decoding(path, () => iterator.next());
    if (done) return;
    yield value as ArrowBatch;
  }
}

/** What the package says of bytes that it cannot read. */
async function decoding<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof BeamBridgeError || typeof (error as { code?: unknown }).code === 'string')
      throw error;
    const why = error instanceof Error ? error.message : String(error);
    if (/unrecognized|unsupported|not implemented|codec/i.test(why)) {
      throw new BeamBridgeError('UNSUPPORTED', `${path} cannot be read: ${why}`, {
        hint: 'Write it without types and compression that apache-arrow does not know.',
        cause: error,
      });
    }
    throw damaged(path, why, error);
  }
}

/** The schema, the dictionaries, and the batches that begin in a part of a file, as a stream has them. */
async function bytesOfFile(
  arrow: ArrowPackage,
  file: ArrowBytes,
  format: ArrowFormat,
  start: number,
  end: number,
): Promise<Bytes> {
  const { path, size } = file;
  const { Footer } = await footerPackage();
  const tail = await file.read(Math.max(size - BEHIND, 0), size);
  if (tail.length < BEHIND || tail.toString('latin1', 4) !== MARK)
    throw damaged(path, 'it does not end as one');
  const length = tail.readInt32LE(0);
  if (length <= 0 || length > size - BEHIND - 8) throw damaged(path, 'it has no footer');
  const footerStart = size - BEHIND - length;
  const bytes = await file.read(footerStart, size - BEHIND);
  const { columns, batches, dictionaries } = footerOf(path, bytes, footerStart);
  const asked = wantedOf(path, columns, format);
  await checkLast(file, [...dictionaries, ...batches], footerStart);
  const schema = await decoding(path, async () =>
    schemaMessage(arrow, Footer.decode(bytes).schema),
  );
  const wanted = batches.filter(({ offset }) => offset >= start && offset < end);
  const before = batches.slice(0, batches.indexOf(wanted[0]!));
  async function* messages(): AsyncGenerator<Uint8Array> {
    yield schema;
    if (wanted.length === 0) return;
    for (const block of dictionaries)
      yield* bytesAt(arrow, file, await blockAt(file, block, MESSAGE.dictionary), asked);
    for (const block of wanted)
      yield* bytesAt(arrow, file, await blockAt(file, block, MESSAGE.batch), asked);
  }
  return {
    messages: messages(),
    async rowsBefore() {
      let rows = 0;
      for (const block of before) rows += (await blockAt(file, block, MESSAGE.batch)).rows ?? 0;
      return rows;
    },
  };
}

/** Behind the last batch is how a stream ends, and so room for no batch that the footer does not tell of. */
async function checkLast(
  file: ArrowBytes,
  blocks: readonly ArrowBlock[],
  footerStart: number,
): Promise<void> {
  let at = FIRST;
  for (const { offset, metaDataLength, bodyLength } of blocks)
    at = Math.max(at, offset + metaDataLength + bodyLength);
  if (blocks.length === 0) at = (await messageAt(file, at).catch(nothing))?.next ?? footerStart;
  if (footerStart - at <= END_BYTES) return;
  const more = await messageAt(file, at).catch(nothing);
  if (more?.kind === MESSAGE.batch)
    throw damaged(file.path, `its footer does not tell of the batch at ${at}`);
}

/** Where a file's first message is. */
const FIRST = 8;

/** What is no message may be there. */
function nothing(error: unknown): undefined {
  if (!(error instanceof BeamBridgeError)) throw error;
}

/** @throws `MALFORMED_DATA` where there is no such message */
async function blockAt(
  file: ArrowBytes,
  { offset, metaDataLength }: ArrowBlock,
  kind: number,
): Promise<Message> {
  const message = await messageAt(file, offset);
  if (message?.kind === kind && message.head.length === metaDataLength) return message;
  throw damaged(file.path, `no ${kind === MESSAGE.batch ? 'batch' : 'dictionary'} is at ${offset}`);
}

function wantedOf(
  path: string,
  columns: readonly Column[],
  { schema, names }: ArrowFormat,
): Wanted {
  const asked = new Set(schema.fields.map(({ name }) => columnOf(names, name)));
  return new Wanted(path, columns, (at) => asked.has(columns[at]!.name));
}

/** The name of a field's column. */
function columnOf(names: ArrowFormat['names'], field: string): string {
  return Object.hasOwn(names, field) ? names[field]! : field;
}

/** @throws `MALFORMED_DATA` for a batch that is none of these columns */
async function* bytesAt(
  arrow: ArrowPackage,
  file: ArrowBytes,
  message: Message,
  wanted: Wanted,
): AsyncGenerator<Uint8Array> {
  try {
    yield* batchBytes(arrow, file, message, wanted);
  } catch (error) {
    reading(file.path, 'a batch is damaged', () => {
      throw error;
    });
  }
}

/** The bytes of a stream of no batches, without its end: files of this package itself have none. */
export function schemaMessage(arrow: ArrowPackage, schema: ArrowSchema): Uint8Array {
  const writer = new arrow.RecordBatchStreamWriter();
  writer.reset(undefined, schema);
  writer.close();
  const bytes = writer.toUint8Array(true);
  return bytes.subarray(0, bytes.length - END_BYTES);
}

/** How a stream ends. */
export const END_BYTES = 8;

/** The messages of a stream. */
async function* messagesFrom(
  arrow: ArrowPackage,
  file: ArrowBytes,
  format: ArrowFormat,
): AsyncGenerator<Uint8Array> {
  const { path } = file;
  let wanted: Wanted | undefined;
  for (let at = 0; ; ) {
    const message = await messageAt(file, at);
    if (!message && at === 0) throw damaged(path, 'it is empty');
    if (!message) return;
    if (message.kind === MESSAGE.schema) {
      const columns = reading(path, 'its schema is none', () => columnsOf(message.header));
      if (wanted && !isDeepStrictEqual(wanted.columns, columns)) {
        throw damaged(path, `another schema is at ${at}, of other columns than those before it`);
      }
      wanted = wantedOf(path, columns, format);
      if (message.bodyBytes > 0) throw damaged(path, `the schema at ${at} has a body`);
      yield message.head;
    } else {
      if (!wanted) throw damaged(path, 'it does not begin with a schema');
      yield* bytesAt(arrow, file, message, wanted);
    }
    at = message.next;
  }
}
