// SPDX-License-Identifier: Apache-2.0
// Times as ISO 8601 has them. `Date.parse` would take a time without an offset for one of the machine's own zone,
// so that a row depended on where it is read, and knows no microseconds.

import { MicrosInstant } from '../../schema/index.ts';
import { Misfit, quoted } from './misfit.ts';

const ISO =
  /^([+-]\d{6}|\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?\s?(Z|[+-]\d\d(?::?\d\d)?)?)?$/i;
const HINT =
  'A time is 2026-11-30T12:00:00.5Z, or 2026-11-30; one without an offset is in UTC. Declare another form a string, and convert it in a map.';

interface Parts {
  /** Whole seconds since 1970, in milliseconds. */
  readonly millis: number;
  /** The digits behind the second. */
  readonly fraction: string;
}

function partsOf(text: string): Parts {
  const match = ISO.exec(text);
  if (!match) throw new Misfit(`${quoted(text)} is no time`, HINT);
  const [, year, month, day, hour = '00', minute = '00', second = '00', fraction = '', zone] =
    match;
  // Through a text once more: Date.UTC would make the 31st of February one in March.
  const utc = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  const sameDay =
    !Number.isNaN(utc) && new Date(utc - (hour === '24' ? 1 : 0)).getUTCDate() === +day!;
  const offset = offsetOf(zone);
  if (!sameDay || offset === undefined) throw new Misfit(`${quoted(text)} is no time`, HINT);
  return { millis: utc - offset, fraction };
}

/** Milliseconds by which a zone is before UTC. */
function offsetOf(zone: string | undefined): number | undefined {
  if (zone === undefined || zone.toUpperCase() === 'Z') return 0;
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(3).replace(':', '') || 0);
  if (hours > 23 || minutes > 59) return undefined;
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}

/** @throws {@link Misfit} for what is no time, and for one that is finer than a millisecond */
export function dateOf(text: string): Date {
  const { millis, fraction } = partsOf(text);
  refuseFiner(text, fraction, 3, 'Declare it microsInstant, or round it yourself.');
  return new Date(millis + Number(fraction.slice(0, 3).padEnd(3, '0')));
}

/** @throws {@link Misfit} for what is no time, and for one that is finer than a microsecond */
export function microsOf(text: string): MicrosInstant {
  const { millis, fraction } = partsOf(text);
  refuseFiner(text, fraction, 6, 'Declare it a string, or round it yourself.');
  const micros = BigInt(fraction.slice(0, 6).padEnd(6, '0'));
  return new MicrosInstant(BigInt(millis) * 1000n + micros);
}

function refuseFiner(text: string, fraction: string, digits: number, hint: string): void {
  if (!/[1-9]/.test(fraction.slice(digits))) return;
  throw new Misfit(`${quoted(text)} has more than ${digits} digits behind the second`, hint);
}
