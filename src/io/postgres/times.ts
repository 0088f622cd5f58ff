// SPDX-License-Identifier: Apache-2.0
// Times as PostgreSQL writes them under DateStyle ISO, and as ISO 8601 does: years before 1 and behind 9999 differ.

import { Misfit, quoted } from '../records/misfit.ts';

const POSTGRES = /^(\d{4,6})(-\d\d-\d\d.*?)( BC)?$/;
const ISO = /^([+-]\d{6}|\d{4})(-\d\d-\d\d)T(.*)Z$/;

/** A time of PostgreSQL as ISO 8601 has it. @throws {@link Misfit} for infinity */
export function isoOf(text: string): string {
  const match = POSTGRES.exec(text);
  if (!match) throw new Misfit(`${quoted(text)} is no time that a program has`);
  const [, year, rest, isBefore] = match;
  if (!isBefore && year!.length === 4) return text;
  const number = isBefore ? 1 - Number(year) : Number(year);
  const sign = number < 0 ? '-' : '+';
  return `${sign}${String(Math.abs(number)).padStart(6, '0')}${rest}`;
}

/** A time of ISO 8601 in UTC as PostgreSQL has it. */
export function postgresOf(iso: string, zone: string): string {
  const [, year, day, time] = ISO.exec(iso)!;
  const number = Number(year);
  if (number > 0) return `${String(number).padStart(4, '0')}${day} ${time}${zone}`;
  return `${String(1 - number).padStart(4, '0')}${day} ${time}${zone} BC`;
}
