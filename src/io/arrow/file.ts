// SPDX-License-Identifier: Apache-2.0
// An Arrow file that is open: the file format, whose footer says where record batches are, or a stream of messages, which
// is read from its beginning to its end.

import { BeamBridgeError } from '../../base/index.ts';
import type { RowType } from '../../schema/index.ts';
import { readError } from '../file-error.ts';
import type { StoreOptions } from '../stores/options.ts';
import { openFile } from '../stores/store-of.ts';
import { prepareZstd, registerCodecs } from './codecs.ts';
import { type Bind, matchRow } from './columns.ts';
import { ArrowBytes, bytesOf, checkFooter, damaged, messageAt } from './messages.ts';
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
      ? await bytesOfFile(arrow, file, start, end)
      : { messages: messagesFrom(file), rowsBefore: async () => 0 };
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
    return matchRow(arrow, schema, held.fields, '', (field) =>
      Object.hasOwn(names, field) ? names[field]! : field,
    );
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
    if (error instanceof BeamBridgeError || (error as { code?: unknown }).code !== undefined)
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
  const bytes = await file.read(size - BEHIND - length, size - BEHIND);
  checkFooter(path, bytes);
  const footer = await decoding(path, async () => Footer.decode(bytes));
  const { schema } = footer;
  const batches = [...footer.recordBatches()];
  const wanted = batches.filter(({ offset }) => offset >= start && offset < end);
  const before = batches.slice(0, batches.indexOf(wanted[0]!));
  const blocks = wanted.length > 0 ? [...footer.dictionaryBatches(), ...wanted] : [];
  return {
    messages: messagesOf(file, schemaMessage(arrow, schema), blocks),
    async rowsBefore() {
      let rows = 0;
      for (const { offset } of before) rows += (await messageAt(file, offset))?.rows ?? 0;
      return rows;
    },
  };
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

async function* messagesOf(
  file: ArrowBytes,
  schema: Uint8Array,
  blocks: readonly ArrowBlock[],
): AsyncGenerator<Uint8Array> {
  yield schema;
  for (const { offset } of blocks) {
    const message = await messageAt(file, offset);
    if (!message) throw damaged(file.path, `no message begins at ${offset}`);
    yield* bytesOf(file, message, offset);
  }
}

async function* messagesFrom(file: ArrowBytes): AsyncGenerator<Uint8Array> {
  for (let at = 0; ; ) {
    const message = await messageAt(file, at);
    if (!message && at === 0) throw damaged(file.path, 'it is empty');
    if (!message) return;
    yield* bytesOf(file, message, at);
    at = message.next;
  }
}
