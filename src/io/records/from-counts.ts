// SPDX-License-Identifier: Apache-2.0
// Values as binary formats have them: times that are numbers of a unit since 1970, whole numbers and UUIDs in bytes.

import { whyNotFloat32 } from '../../coders/index.ts';
import { MicrosInstant } from '../../schema/index.ts';
import { Misfit } from './misfit.ts';

/** A whole number in bytes, the greatest first, in two's complement. */
export function signedOf(bytes: Uint8Array): bigint {
  if (bytes.length === 0) return 0n;
  return BigInt.asIntN(bytes.length * 8, BigInt(`0x${Buffer.from(bytes).toString('hex')}`));
}

/** The text of a UUID's 16 bytes. */
export function uuidOf(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** @throws {@link Misfit} for a number that no float32 stands for */
export function float32Of(number: number): number {
  const reason = whyNotFloat32(number);
  if (reason === undefined) return Math.fround(number);
  throw new Misfit(`${number} is no float32`, reason);
}

/** What a `Date` holds. */
const LAST_DATE = 8_640_000_000_000_000;

/** Times of so many a second as dates. @throws {@link Misfit} for one that is finer, or no `Date` */
export function dateOfCount(perSecond: bigint): (count: bigint) => Date {
  const millis = rescaled(perSecond, 1000n, 'millisecond', 'Declare it microsInstant.');
  return (count) => {
    const value = Number(millis(count));
    if (Math.abs(value) <= LAST_DATE) return new Date(value);
    throw new Misfit(`${value} milliseconds since 1970 are no Date`, 'Declare it microsInstant.');
  };
}

/** Likewise with microseconds. @throws {@link Misfit} */
export function microsOfCount(perSecond: bigint): (count: bigint) => MicrosInstant {
  const micros = rescaled(perSecond, 1_000_000n, 'microsecond', 'Write whole microseconds.');
  return (count) => {
    const value = micros(count);
    if (BigInt.asIntN(64, value) === value) return new MicrosInstant(value);
    throw new Misfit(`${value} microseconds since 1970 have more than 64 bits`);
  };
}

function rescaled(from: bigint, to: bigint, unit: string, hint: string): (count: bigint) => bigint {
  if (from <= to) {
    const factor = to / from;
    return (count) => count * factor;
  }
  const divisor = from / to;
  return (count) => {
    if (count % divisor === 0n) return count / divisor;
    throw new Misfit(`a time of ${count} (1/${from} s since 1970) is finer than a ${unit}`, hint);
  };
}
