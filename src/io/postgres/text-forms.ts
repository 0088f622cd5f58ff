// SPDX-License-Identifier: Apache-2.0
// Texts for columns that take many forms of one: PostgreSQL would cut, round or guess without a word what is not exactly theirs.

import { Misfit, quoted } from '../records/misfit.ts';
import type { PgType } from './types.ts';

/** @throws {@link Misfit} for a text that the column would make another value of */
export type CheckText = (text: string) => void;

/** Lengths of `name` and `"char"` are those of UTF-8, and what is longer is cut. */
const NAME_BYTES = 63;
const CHAR_BYTES = 1;

const DATE = /^(?:\d{4,7}-\d\d-\d\d(?: BC)?|-?infinity)$/;
const TIME = /^\d\d:[0-5]\d(?::[0-5]\d(?:\.(\d+))?)?$/;
const TIME_ZONE = /^\d\d:[0-5]\d(?::[0-5]\d(?:\.(\d+))?)?(?:Z|[+-]\d\d(?::\d\d){0,2})$/;

/** How texts for a column are looked at, where the server is not exact about them. */
export function textCheck({ base, modifier }: PgType): CheckText | undefined {
  switch (base) {
    case 'date':
      return (text) => {
        if (!DATE.test(text)) throw unclear(text, 'date', '2026-01-31');
      };
    case 'time':
      return timeCheck(TIME, 'time', '23:59:59.5', modifier);
    case 'timetz':
      return timeCheck(TIME_ZONE, 'time with time zone', '23:59:59.5+01', modifier);
    case 'interval':
      return intervalCheck(modifier);
    case 'money':
      return (text) => {
        throw new Misfit(
          `${quoted(text)} is read by the server's language, lc_monetary, and rounded`,
          'Write a decimal to a column of numeric.',
        );
      };
    case 'name':
      return bytesCheck(NAME_BYTES);
    case 'char':
      return bytesCheck(CHAR_BYTES);
    default:
      return undefined;
  }
}

function unclear(text: string, type: string, example: string): Misfit {
  return new Misfit(
    `${quoted(text)} is no ${type} of the form ${example}`,
    'PostgreSQL would cut it, or guess what is meant.',
  );
}

function bytesCheck(most: number): CheckText {
  return (text) => {
    const bytes = Buffer.byteLength(text);
    if (bytes > most)
      throw new Misfit(`it has ${bytes} bytes, and the column ${most}`, 'PostgreSQL would cut it.');
  };
}

function finer(text: string, digits: number): Misfit {
  return new Misfit(
    `${quoted(text)} is finer than the column, which has ${digits} digits of a second`,
    'PostgreSQL would round it: round it yourself.',
  );
}

function isFiner(fraction: string, digits: number): boolean {
  return /[1-9]/.test(fraction.slice(digits));
}

function timeCheck(form: RegExp, type: string, example: string, modifier: number): CheckText {
  const digits = modifier < 0 ? 6 : modifier;
  return (text) => {
    const match = form.exec(text);
    if (!match) throw unclear(text, type, example);
    if (isFiner(match[1] ?? '', digits)) throw finer(text, digits);
  };
}

/** What `interval(p)` and `interval day` have in their modifier: digits in the lower half, units in the upper. */
const ALL_DIGITS = 0xffff;
const ALL_UNITS = 0x7fff;
const UNITS = [
  ['second', 1 << 12],
  ['minute', 1 << 11],
  ['hour', 1 << 10],
  ['day', 1 << 3],
  ['month', 1 << 1],
  ['year', 1 << 2],
] as const;
/** As PostgreSQL writes them, and only whole: under a unit they have no more than this. */
const INTERVAL =
  /^(?:[+-]?(\d+) years? ?)?(?:[+-]?(\d+) mons? ?)?(?:[+-]?(\d+) days? ?)?(?:[+-]?(\d+):([0-5]\d):([0-5]\d(?:\.\d+)?))?$/;

function intervalCheck(modifier: number): CheckText {
  const all = modifier < 0;
  const precision = modifier & ALL_DIGITS;
  const digits = all || precision === ALL_DIGITS ? 6 : precision;
  const units = all ? ALL_UNITS : (modifier >> 16) & ALL_UNITS;
  const [least] = UNITS.find(([, bit]) => units & bit)!;
  return (text) => {
    for (const [, fraction] of text.matchAll(/\.(\d+)/g))
      if (isFiner(fraction!, digits)) throw finer(text, digits);
    // The least unit of the column cuts what is below it.
    if (least === 'second') return;
    const match = INTERVAL.exec(text);
    if (!match || text === '')
      throw unclear(
        text,
        `interval whose least unit is the ${least}`,
        '1 year 2 mons 3 days 04:00:00',
      );
    const [, , months, days, hours, minutes, seconds] = match;
    const below = [seconds, minutes, hours, days, months].slice(
      0,
      UNITS.findIndex(([unit]) => unit === least),
    );
    // Months are cut to whole years.
    const isCut = below.some((part) => Number(part ?? 0) !== 0);
    if (isCut)
      throw new Misfit(
        `${quoted(text)} has more than the column, whose least unit is the ${least}`,
        'PostgreSQL would cut it: cut it yourself.',
      );
  };
}
