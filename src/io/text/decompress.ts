// SPDX-License-Identifier: Apache-2.0
// The bytes that a compressed file holds. Node knows gzip and deflate; the rest are packages that users install if
// they have such files.

import { createGunzip, createInflate } from 'node:zlib';
import { BeamBridgeError } from '../../base/index.ts';
import { readError } from '../file-error.ts';
import { optionalPackage } from '../optional-package.ts';
import type { FileCodec } from './compression.ts';
import { unzipped } from './unzip.ts';

type Pieces = AsyncIterable<Buffer>;

/**
 * What a file holds. Each piece that is given is valid until the next is asked for.
 *
 * @throws `MALFORMED_DATA` for a file that is not what it is taken for, or cut; `PACKAGE_NOT_FOUND` without the package that reads it
 */
export function decompressed(pieces: Pieces, codec: FileCodec, path: string): Pieces {
  switch (codec) {
    case 'none':
      return pieces;
    case 'gzip':
      return unzipped(pieces, createGunzip);
    case 'deflate':
      return told(pieces, codec, path, (source) => unzipped(source, createInflate));
    case 'zstd':
      return told(pieces, codec, path, zstdBytes);
    case 'bzip2':
      return told(pieces, codec, path, bzip2Bytes);
  }
}

/** What goes wrong is said of the file. */
async function* told(
  pieces: Pieces,
  codec: FileCodec,
  path: string,
  read: (source: Pieces) => Pieces,
): AsyncGenerator<Buffer, void, undefined> {
  async function* source() {
    try {
      yield* pieces;
    } catch (error) {
      // Of the disk, and not of what is on it.
      throw readError(error, path);
    }
  }
  try {
    yield* read(source());
  } catch (cause) {
    if (cause instanceof BeamBridgeError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new BeamBridgeError('MALFORMED_DATA', `${path} is no whole ${codec} file: ${why}`, {
      hint: "If it is not compressed, read it with { compression: 'none' }.",
      cause,
    });
  }
}

interface ZstdPackage {
  readonly Decompress: new (
    ondata: (data: Uint8Array) => void,
  ) => { push(chunk: Uint8Array, final?: boolean): void };
}

/** All frames of a file. Checksums are not looked at, which the package does not know. */
async function* zstdBytes(source: Pieces): AsyncGenerator<Buffer, void, undefined> {
  const { Decompress } = await optionalPackage<ZstdPackage>('fzstd', 'reading zstd files');
  let ready: Buffer[] = [];
  const stream = new Decompress(({ buffer, byteOffset, byteLength }) => {
    if (byteLength > 0) ready.push(Buffer.from(buffer, byteOffset, byteLength));
  });
  let isEmpty = true;
  for await (const piece of source) {
    isEmpty = false;
    // A copy, since the package keeps what it cannot use yet.
    stream.push(new Uint8Array(piece));
    const pieces = ready;
    ready = [];
    yield* pieces;
  }
  if (isEmpty) return;
  stream.push(new Uint8Array(0), true);
  yield* ready;
}

interface Bzip2Package {
  readonly default: { decode(input: Buffer, output: undefined, multistream: true): Uint8Array };
}

/** All streams of a file, which is in memory as a whole: the package waits for no further bytes. */
async function* bzip2Bytes(source: Pieces): AsyncGenerator<Buffer, void, undefined> {
  const { default: bzip2 } = await optionalPackage<Bzip2Package>(
    'seek-bzip',
    'reading bzip2 files',
  );
  const pieces: Buffer[] = [];
  for await (const piece of source) pieces.push(Buffer.from(piece));
  const file = Buffer.concat(pieces);
  if (file.length === 0) return;
  // The package takes the end of the file for one of a stream, behind whatever block that is.
  if (!endsStream(file)) throw new Error('it has no end');
  const { buffer, byteOffset, byteLength } = bzip2.decode(file, undefined, true);
  yield Buffer.from(buffer, byteOffset, byteLength);
}

/** What is in front of a stream's checksum, which ends it but for the bits that fill up its last byte. */
const STREAM_END = 0x177245385090n;
const STREAM_END_BITS = 48n;
const SUM_BITS = 32n;

function endsStream(file: Buffer): boolean {
  const last = file.subarray(-11);
  const bits = BigInt(`0x${last.toString('hex')}`);
  for (let filled = 0n; filled < 8n; filled++) {
    if (BigInt.asUintN(Number(STREAM_END_BITS), bits >> (filled + SUM_BITS)) === STREAM_END)
      return true;
  }
  return false;
}
