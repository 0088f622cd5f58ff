// SPDX-License-Identifier: Apache-2.0
// Numbers as texts have them, checked against their type. `Number` alone takes '' for 0, '0x1f' for 31 and spaces
// for nothing at all.

import { FLOAT32_WHOLE, fitsFloat32, whyNotFloat32 } from '../../coders/index.ts';
import { Decimal } from '../../schema/index.ts';
import { Misfit, quoted } from './misfit.ts';

const WHOLE = /^[+-]?\d+(?:\.0*)?$/;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const SPECIAL = /^([+-]?)(?:(nan)|inf(?:inity)?)$/i;
/** So many digits are below 2^53, whatever they are. */
export const SAFE_DIGITS = 15;

/** What each type of whole numbers holds. */
const LIMITS = {
  byte: [-128, 127],
  int16: [-32_768, 32_767],
  int32: [-2_147_483_648, 2_147_483_647],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
} as const;

/** Which numbers need no second look: written with few digits, they are values of their type as they are. */
export interface PlainRange {
  readonly isWhole: boolean;
  readonly least: number;
  readonly most: number;
}

/** For the types of numbers; nothing for others. */
export function plainRange(kind: string): PlainRange | undefined {
  if (Object.hasOwn(LIMITS, kind)) {
    const [least, most] = LIMITS[kind as keyof typeof LIMITS];
    return { isWhole: true, least, most };
  }
  if (kind === 'float64') return { isWhole: false, least: -Infinity, most: Infinity };
  // Beyond these float32 has not every whole number.
  if (kind === 'float32') return { isWhole: false, least: -FLOAT32_WHOLE, most: FLOAT32_WHOLE };
  return undefined;
}

/** The digits of a short whole number, which most are, or NaN for anything else. */
function shortWhole(text: string): number {
  const { length } = text;
  const isNegative = text.charCodeAt(0) === 45;
  let at = isNegative ? 1 : 0;
  if (length === at || length - at > SAFE_DIGITS) return Number.NaN;
  let sum = 0;
  for (; at < length; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return Number.NaN;
    sum = sum * 10 + digit;
  }
  // Not -0, which no whole number is.
  return isNegative && sum !== 0 ? -sum : sum;
}

/** A whole number of a kind; '5.0', as programs without whole columns with gaps write it, is 5. */
export function wholeOf(text: string, kind: 'byte' | 'int16' | 'int32' | 'int64'): number {
  let value = shortWhole(text);
  if (Number.isNaN(value)) {
    if (!WHOLE.test(text)) throw new Misfit(`${quoted(text)} is no ${kind}`, wholeHint(text, kind));
    value = Number(text) + 0;
  }
  const limits = LIMITS[kind];
  const least = limits[0];
  const most = limits[1];
  if (value >= least && value <= most) return value;
  if (kind !== 'int64')
    throw new Misfit(
      `${quoted(text)} is no ${kind}: it has ${least} to ${most}`,
      'Declare it int64.',
    );
  throw new Misfit(
    `${quoted(text)} is outside the integers that a number holds exactly (±2^53 - 1)`,
    'Declare it bigint64.',
    'INT64_OUT_OF_RANGE',
  );
}

function wholeHint(text: string, kind: string): string {
  return NUMBER.test(text) ? 'Declare it float64.' : noNumberHint(text, kind);
}

/** A comma in front of the last digits: so many countries write fractions. */
const DECIMAL_COMMA = /^[+-]?[\d.]*\d,\d+$/;

function noNumberHint(text: string, kind: string): string {
  return DECIMAL_COMMA.test(text)
    ? "If that is a decimal comma: declare it a string, and make a number of it, as Number(text.replaceAll('.', '').replace(',', '.')) does."
    : `Declare it nullable(${kind}) with nulls: [${quoted(text)}] where that says that there is none, or a string.`;
}

/** A whole number of 64 bits. */
export function bigintOf(text: string): bigint {
  if (!WHOLE.test(text))
    throw new Misfit(`${quoted(text)} is no bigint64`, wholeHint(text, 'bigint64'));
  const value = BigInt(text.replace(/^\+|\.0*$/g, ''));
  if (BigInt.asIntN(64, value) === value) return value;
  throw new Misfit(`${quoted(text)} has more than 64 bits`, 'Declare it decimal.');
}

/** Whether `Number` may take for a number what is none: nothing, '0x10', and spaces of whatever kind around one. */
function mayDeceive(text: string): boolean {
  const first = text.charCodeAt(0);
  const last = text.charCodeAt(text.length - 1);
  return !(
    first >= 43 &&
    first <= 57 &&
    last >= 46 &&
    last <= 57 &&
    (text.charCodeAt(1) | 32) < 98
  );
}

/** A number; `nan`, `inf` and `Infinity` are numbers too, in any case. */
export function floatOf(text: string, kind: 'float32' | 'float64'): number {
  const value = numberOf(text, kind);
  if (kind === 'float64') return value;
  if (fitsFloat32(value)) return Math.fround(value);
  throw new Misfit(`${quoted(text)} is no float32`, whyNotFloat32(value));
}

function numberOf(text: string, kind: string): number {
  const whole = shortWhole(text);
  if (whole > 0) return whole;
  const value = Number(text);
  return Number.isFinite(value) && !mayDeceive(text) ? value : carefully(text, value, kind);
}

function carefully(text: string, value: number, kind: string): number {
  const special = SPECIAL.exec(text);
  if (special) {
    if (special[2]) return Number.NaN;
    return special[1] === '-' ? -Infinity : Infinity;
  }
  if (!NUMBER.test(text)) {
    const what = text === '' ? 'it is empty' : `${quoted(text)} is no ${kind}`;
    throw new Misfit(what, noNumberHint(text, kind));
  }
  if (Number.isFinite(value)) return value;
  throw new Misfit(`${quoted(text)} is too large for a ${kind}`, 'Declare it decimal or string.');
}

/** An exact decimal number with the digits that it is written with. */
export function decimalOf(text: string): Decimal {
  if (!NUMBER.test(text)) throw new Misfit(`${quoted(text)} is no decimal`, 'Declare it a string.');
  try {
    return Decimal.from(text);
  } catch (error) {
    throw new Misfit((error as Error).message, 'Declare it a string.');
  }
}
