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

export interface Decoder {
  /** @param size - how many bytes there are to be */
  decode(data: Uint8Array, size: number): Uint8Array;
  /** How many bytes so many can stand for at most. */
  most(bytes: number): number;
}

/** How buffers are unpacked. @throws `UNSUPPORTED` for what is not known */
export function decoderOf(
  { compressionRegistry }: ArrowPackage,
  codec: number,
  path: string,
): Decoder {
  const decode = compressionRegistry.get(codec)?.decode;
  if (decode && codec in MOST) return { decode, most: (bytes) => MOST[codec]! * bytes };
  throw new BeamBridgeError('UNSUPPORTED', `${path} is compressed by an unknown codec, ${codec}`, {
    hint: "Write it with the compression 'lz4' or 'zstd', or without.",
  });
}

/** A byte of LZ4 repeats up to 255 more; four bytes of zstd can be a block of 128 KiB. */
const MOST: Readonly<Record<number, number>> = { [LZ4]: 256, [ZSTD]: 1 << 15 };

let fzstd: { decompress(data: Uint8Array, into?: Uint8Array): Uint8Array } | undefined;

/** Loads what zstd wants, if it is there: the package asks for it in the middle of what cannot wait. */
export async function prepareZstd(): Promise<void> {
  fzstd ??= await optionalPackage<NonNullable<typeof fzstd>>('fzstd', 'zstd in Arrow files').catch(
    () => undefined,
  );
}

function zstd(data: Uint8Array, size?: number): Uint8Array {
  if (!fzstd) {
    throw new BeamBridgeError('PACKAGE_NOT_FOUND', 'zstd in Arrow files needs the package fzstd', {
      hint: 'Install it beside beambridge: npm install fzstd.',
    });
  }
  // Aligned, as numbers in it want to be.
  if (size === undefined || size === 0 || contentSize(data) !== size)
    return new Uint8Array(fzstd.decompress(data));
  // It gives as many as there is room for, whatever there is: what it never wrote is what it was before.
  const { decompress } = fzstd;
  const around = (mark: number) =>
    decompress(data, new Uint8Array(size + BEHIND).fill(mark, size - 1));
  const bytes = around(0xa7);
  if (bytes.subarray(size).some((byte) => byte !== 0xa7))
    throw new RangeError('zstd gives more than it says');
  if (bytes[size - 1] === 0xa7 && around(0x58)[size - 1] === 0x58)
    throw new RangeError('zstd ends too early');
  return bytes.subarray(0, size);
}

/** Room behind what is to be there. */
const BEHIND = 8;

/**
 * How many bytes a frame of zstd says there are, if it does.
 * Source: https://github.com/facebook/zstd/blob/dev/doc/zstd_compression_format.md
 */
function contentSize(data: Uint8Array): number | undefined {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const flags = view.getUint8(4);
  const isSingle = (flags & 32) !== 0;
  const at = (isSingle ? 5 : 6) + [0, 1, 2, 4][flags & 3]!;
  switch (flags >> 6) {
    case 0:
      return isSingle ? view.getUint8(at) : undefined;
    case 1:
      return view.getUint16(at, true) + 256;
    case 2:
      return view.getUint32(at, true);
    default:
      return Number(view.getBigUint64(at, true));
  }
}

/**
 * The bytes of a frame of LZ4, whose blocks may go back into those before them.
 *
 * @param size - how many bytes there are to be, if that is known
 * @throws RangeError for what is no such frame, or gives more
 * Source: https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md
 */
export function lz4Frame(data: Uint8Array, size = Number.POSITIVE_INFINITY): Uint8Array {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (view.getUint32(0, true) !== LZ4_MAGIC) throw new RangeError('no frame of LZ4');
  const flags = view.getUint8(4);
  const [hasBlockSums, hasSize, hasDictionary] = [flags & 16, flags & 8, flags & 1];
  if (flags >> 6 !== 1 || hasDictionary) throw new RangeError('an unknown kind of LZ4');
  let at = 6 + (hasSize ? 8 : 0) + 1;
  const told = hasSize ? Number(view.getBigUint64(6, true)) : data.length * 4;
  const sink = new GrowingBytes(size, Math.min(told, size));
  for (;;) {
    const head = view.getUint32(at, true);
    at += 4;
    if (head === 0) return sink.bytes();
    const length = head & 0x7fffffff;
    if (at + length > data.length) throw new RangeError('a block of LZ4 is cut off');
    const block = data.subarray(at, at + length);
    if (head >>> 31) sink.append(block);
    else unpack(block, sink);
    at += length + (hasBlockSums ? 4 : 0);
  }
}

/** Bytes that grow. */
class GrowingBytes {
  private all: Uint8Array;
  private size = 0;

  constructor(
    private readonly most: number,
    likely: number,
  ) {
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
    if (this.size + more > this.most) throw new RangeError('LZ4 gives more than it says');
    const larger = new Uint8Array(
      Math.min(this.most, Math.max(this.size + more, this.all.length * 2)),
    );
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
