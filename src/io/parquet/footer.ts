// SPDX-License-Identifier: Apache-2.0
// The footer of a Parquet file, as bytes, and what was made of the last few: a file is read in ranges, each of which looks
// at the whole footer, and to parse a large one takes longer than to read a range.

import { createHash } from 'node:crypto';
import { BeamBridgeError } from '../../base/index.ts';
import type { AsyncBuffer } from './package.ts';

const LEAST_BYTES = 12;
/** What is read at first: most footers are smaller. */
const TAIL = 64 * 1024;
/** Behind a footer: its length, and PAR1. */
export const BEHIND = 8;

/**
 * The footer, with its length and PAR1 behind it.
 *
 * @throws `MALFORMED_DATA` for what is no whole Parquet file, `UNSUPPORTED` for one that is encrypted
 */
export async function footerOf(bytes: AsyncBuffer, path: string): Promise<Uint8Array> {
  const { byteLength } = bytes;
  const first = latin1(new Uint8Array(await bytes.slice(0, Math.min(4, byteLength))));
  const tail = new Uint8Array(await bytes.slice(Math.max(byteLength - TAIL, 0)));
  checkMarks(first, latin1(tail.subarray(-4)), byteLength, path);
  const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength);
  const length = view.getUint32(tail.length - BEHIND, true);
  const whole = length + BEHIND;
  if (length > byteLength - LEAST_BYTES) {
    throw new BeamBridgeError(
      'MALFORMED_DATA',
      `${path}: its footer cannot be read: it is to have ${length} bytes, and the file has ${byteLength}`,
    );
  }
  // A copy, since what is kept of a footer holds on to its bytes.
  if (whole <= tail.length) return tail.slice(tail.length - whole);
  const start = byteLength - whole;
  return Buffer.concat([new Uint8Array(await bytes.slice(start, byteLength - tail.length)), tail]);
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

/** What a file begins and ends with. */
function checkMarks(first: string, last: string, byteLength: number, path: string): void {
  if (first === 'PARE' || last === 'PARE') {
    throw new BeamBridgeError('UNSUPPORTED', `${path} is encrypted`, {
      hint: 'Encrypted Parquet files cannot be read.',
    });
  }
  if (first !== 'PAR1') {
    throw new BeamBridgeError('MALFORMED_DATA', `${path} is no Parquet file`, {
      hint: first.startsWith('\x1f\x8b')
        ? 'It is compressed as a whole: decompress it first.'
        : 'Such a file begins and ends with PAR1.',
    });
  }
  if (last !== 'PAR1' || byteLength < LEAST_BYTES) {
    throw new BeamBridgeError('MALFORMED_DATA', `${path} is no whole Parquet file: it has no end`, {
      hint: 'It was cut, or is still being written.',
    });
  }
}

/** Footers that are kept have so many bytes together; what is made of them has several times as many. */
const KEPT_BYTES = 8 * 1024 * 1024;
/** What is made of a footer of whatever size. */
const LEAST_KEPT = 4096;

/** What was made of the last few footers, known by their bytes: whatever a store says of versions, it is never of another. */
export class FooterCache<T> {
  private readonly kept = new Map<string, { readonly made: T; readonly bytes: number }>();
  private bytes = 0;

  constructor(private readonly most = KEPT_BYTES) {}

  /**
   * What was made of the same bytes in a file of the same size, or is made now.
   *
   * @param make - what it throws is not kept
   */
  of(footer: Uint8Array, size: number, make: () => T): T {
    const key = `${size} ${createHash('sha256').update(footer).digest('base64')}`;
    const known = this.kept.get(key);
    const { made, bytes } = known ?? { made: make(), bytes: footer.length + LEAST_KEPT };
    // Behind all others, since it was used last.
    this.kept.delete(key);
    this.kept.set(key, { made, bytes });
    if (!known) this.bytes += bytes;
    for (const [oldest, one] of this.kept) {
      if (this.bytes <= this.most || oldest === key) break;
      this.kept.delete(oldest);
      this.bytes -= one.bytes;
    }
    return made;
  }
}
