// SPDX-License-Identifier: Apache-2.0
// How blocks are compressed. Node knows most of it; the rest are packages that users install if they have such files.

import * as zlib from 'node:zlib';
import { BeamBridgeError } from '../../base/index.ts';

/** The bytes of a block. */
export interface BlockCodec {
  decompress(block: Buffer): Buffer | Promise<Buffer>;
  /** None for one that can only be read. */
  compress?(bytes: Buffer): Buffer;
}

/** A block that is larger is most likely none, and all of it would be in memory. */
const LARGEST = 1024 * 1024 * 1024;
const BOUND = { maxOutputLength: LARGEST };

type OfZlib = Record<string, ((input: Buffer, options?: object) => Buffer) | undefined>;
// Node knows Zstandard from 22.15 on.
const { zstdDecompressSync, zstdCompressSync } = zlib as unknown as OfZlib;

const READ: Readonly<Record<string, () => BlockCodec | Promise<BlockCodec>>> = {
  null: () => ({ decompress: (block) => block }),
  deflate: () => ({ decompress: (block) => zlib.inflateRawSync(block, BOUND) }),
  snappy: async () => {
    const { SNAPPY } = await compressors('snappy');
    return { decompress: (block) => snappyBytes(block, SNAPPY) };
  },
  zstandard: async () => {
    if (zstdDecompressSync) return { decompress: (block) => zstdDecompressSync(block, BOUND) };
    const { ZSTD } = await compressors('zstandard');
    return { decompress: (block) => asBuffer(ZSTD(block, 0)) };
  },
  bzip2: async () => {
    const { default: bzip } = await load<{ default: SeekBzip }>('seek-bzip', 'bzip2');
    return { decompress: (block) => asBuffer(bzip.decode(block)) };
  },
  xz: async () => {
    const { XzReadableStream } = await load<XzDecompress>('xz-decompress', 'xz');
    return { decompress: (block) => xzBytes(block, XzReadableStream) };
  },
};

const WRITE: Readonly<Record<string, () => Compress | Promise<Compress>>> = {
  null: () => (bytes) => bytes,
  deflate: () => (bytes) => zlib.deflateRawSync(bytes),
  snappy: async () => {
    const { snappyCompress } = await load<SnappyWriter>('hyparquet-writer/src/snappy.js', 'snappy');
    // It is not what the package calls its interface, so that another release may have another function there.
    if (snappyCompress(Buffer.alloc(8))?.[0] !== 8)
      throw new BeamBridgeError('PACKAGE_NOT_FOUND', 'this hyparquet-writer does not fit');
    return (bytes) => {
      const sum = Buffer.alloc(SUM_BYTES);
      sum.writeUInt32BE(zlib.crc32(bytes));
      return Buffer.concat([snappyCompress(bytes), sum]);
    };
  },
  zstandard: () => {
    if (zstdCompressSync) return (bytes) => zstdCompressSync(bytes);
    throw new BeamBridgeError('UNSUPPORTED', 'this Node does not write zstandard', {
      hint: 'Node 22.15 or newer does. Choose deflate otherwise.',
    });
  },
};

/** Makes a block of bytes. */
export type Compress = (bytes: Buffer) => Buffer;

export const WRITTEN_CODECS = Object.keys(WRITE);

/**
 * What reads blocks.
 *
 * @throws `UNSUPPORTED` for one that nothing here knows, `PACKAGE_NOT_FOUND` for one whose package is not there
 */
export async function blockCodec(name: string): Promise<BlockCodec> {
  if (Object.hasOwn(READ, name)) return READ[name]!();
  throw new BeamBridgeError('UNSUPPORTED', `blocks are compressed as ${name.slice(0, 40)}`, {
    hint: `There are ${Object.keys(READ).join(', ')}.`,
  });
}

/**
 * What makes blocks.
 *
 * @param name - of {@link WRITTEN_CODECS}
 * @throws as {@link blockCodec}
 */
export async function blockCompress(name: string): Promise<Compress> {
  return WRITE[name]!();
}

type Decompress = (input: Uint8Array, outputLength: number) => Uint8Array;
interface SeekBzip {
  decode(input: Buffer): Uint8Array;
}
interface XzDecompress {
  readonly XzReadableStream: new (input: ReadableStream) => AsyncIterable<Uint8Array>;
}
interface SnappyWriter {
  snappyCompress(input: Uint8Array): Uint8Array;
}

const SUM_BYTES = 4;

/** Snappy says how long its bytes are in front of them, and Avro has their CRC-32 behind. */
function snappyBytes(block: Buffer, decompress: Decompress): Buffer {
  const end = block.length - SUM_BYTES;
  let length = 0;
  let at = 0;
  for (let more = true; more; at++) {
    if (at >= Math.min(end, 5)) throw new Error('its length is missing');
    const byte = block[at]!;
    length += (byte & 0x7f) * 2 ** (7 * at);
    more = byte > 0x7f;
  }
  if (length > LARGEST) throw new Error(`it is ${length} bytes`);
  const bytes = asBuffer(decompress(block.subarray(0, end), length));
  if (zlib.crc32(bytes) === block.readUInt32BE(end)) return bytes;
  throw new Error('its checksum is another');
}

async function xzBytes(
  block: Buffer,
  XzReadableStream: XzDecompress['XzReadableStream'],
): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of new XzReadableStream(
    new Blob([block as Buffer<ArrayBuffer>]).stream(),
  )) {
    length += piece.length;
    if (length > LARGEST) throw new Error(`it is more than ${LARGEST} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

async function compressors(codec: string): Promise<{ SNAPPY: Decompress; ZSTD: Decompress }> {
  type Package = { compressors: { SNAPPY: Decompress; ZSTD: Decompress } };
  return (await load<Package>('hyparquet-compressors', codec)).compressors;
}

async function load<T>(name: string, codec: string): Promise<T> {
  try {
    // By a name that bundlers do not see, as that of the client of Kafka.
    return (await import(name)) as T;
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND';
    const wanted = name.split('/')[0]!;
    throw new BeamBridgeError(
      'PACKAGE_NOT_FOUND',
      `Avro's compression ${codec} needs the package ${wanted}${isMissing ? '' : ', which cannot be loaded'}`,
      { hint: `Install it beside beambridge: npm install ${wanted}.`, cause },
    );
  }
}
