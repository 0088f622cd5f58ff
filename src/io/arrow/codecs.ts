// SPDX-License-Identifier: Apache-2.0
// How buffers of Arrow files are compressed: by LZ4, as pandas' Feather files are where nobody says otherwise, or by zstd.

import { BeamBridgeError } from '../../base/index.ts';
import { optionalPackage } from '../optional-package.ts';
import type { ArrowPackage } from './package.ts';

const LZ4 = 0;
const ZSTD = 1;
const LZ4_MAGIC = 0x184d2204;

/** Has the package know them, unless the program did. */
export function registerCodecs({ compressionRegistry: registry }: ArrowPackage): void {
  if (!registry.get(LZ4)?.decode) registry.set(LZ4, { ...registry.get(LZ4), decode: lz4Frame });
  if (!registry.get(ZSTD)?.decode) registry.set(ZSTD, { ...registry.get(ZSTD), decode: zstd });
}

let fzstd: { decompress(data: Uint8Array): Uint8Array } | undefined;

/** Loads what zstd wants, if it is there: the package asks for it in the middle of what cannot wait. */
export async function prepareZstd(): Promise<void> {
  fzstd ??= await optionalPackage<NonNullable<typeof fzstd>>('fzstd', 'zstd in Arrow files').catch(
    () => undefined,
  );
}

function zstd(data: Uint8Array): Uint8Array {
  // Aligned, as numbers in it want to be.
  if (fzstd) return new Uint8Array(fzstd.decompress(data));
  throw new BeamBridgeError('PACKAGE_NOT_FOUND', 'zstd in Arrow files needs the package fzstd', {
    hint: 'Install it beside beambridge: npm install fzstd.',
  });
}

/**
 * The bytes of a frame of LZ4, whose blocks may go back into those before them.
 * Source: https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md
 */
export function lz4Frame(data: Uint8Array): Uint8Array {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (view.getUint32(0, true) !== LZ4_MAGIC) throw new RangeError('no frame of LZ4');
  const flags = view.getUint8(4);
  const [hasBlockSums, hasSize, hasDictionary] = [flags & 16, flags & 8, flags & 1];
  if (flags >> 6 !== 1 || hasDictionary) throw new RangeError('an unknown kind of LZ4');
  let at = 6 + (hasSize ? 8 : 0) + 1;
  const sink = new GrowingBytes(hasSize ? Number(view.getBigUint64(6, true)) : data.length * 4);
  for (;;) {
    const size = view.getUint32(at, true);
    at += 4;
    if (size === 0) return sink.bytes();
    const length = size & 0x7fffffff;
    if (at + length > data.length) throw new RangeError('a block of LZ4 is cut off');
    const block = data.subarray(at, at + length);
    if (size >>> 31) sink.append(block);
    else unpack(block, sink);
    at += length + (hasBlockSums ? 4 : 0);
  }
}

/** Bytes that grow. */
class GrowingBytes {
  private all: Uint8Array;
  private size = 0;

  constructor(likely: number) {
    this.all = new Uint8Array(Math.min(likely, 1 << 26));
  }

  bytes(): Uint8Array {
    return this.all.subarray(0, this.size);
  }

  append(bytes: Uint8Array): void {
    this.room(bytes.length);
    this.all.set(bytes, this.size);
    this.size += bytes.length;
  }

  /** Appends what was there so far back, which may go on into what is appended. */
  repeat(back: number, length: number): void {
    if (back === 0 || back > this.size) throw new RangeError('LZ4 goes back too far');
    this.room(length);
    const { all, size } = this;
    if (back >= length) all.copyWithin(size, size - back, size - back + length);
    else for (let at = size; at < size + length; at++) all[at] = all[at - back]!;
    this.size += length;
  }

  private room(more: number): void {
    if (this.size + more <= this.all.length) return;
    const larger = new Uint8Array(Math.max(this.size + more, this.all.length * 2));
    larger.set(this.bytes());
    this.all = larger;
  }
}

/** @throws RangeError for what is no block of LZ4 */
function unpack(block: Uint8Array, sink: GrowingBytes): void {
  let at = 0;
  const next = () => {
    if (at >= block.length) throw new RangeError('a block of LZ4 is cut off');
    return block[at++]!;
  };
  const lengthOf = (short: number) => {
    let length = short;
    if (short === 15) {
      let more = 255;
      for (; more === 255; length += more) more = next();
    }
    return length;
  };
  while (at < block.length) {
    const token = next();
    const literals = lengthOf(token >> 4);
    if (at + literals > block.length) throw new RangeError('a block of LZ4 is cut off');
    sink.append(block.subarray(at, at + literals));
    at += literals;
    if (at === block.length) return;
    const back = next() | (next() << 8);
    sink.repeat(back, lengthOf(token & 15) + 4);
  }
}
