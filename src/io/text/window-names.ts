// SPDX-License-Identifier: Apache-2.0
// Windows and panes in the names of files, in the place of W and P, nearly as Java's DefaultFilenamePolicy has them. Times are of ISO 8601's basic form, for colons are no letters of a name everywhere.

import { BeamBridgeError } from '../../base/index.ts';
import {
  GlobalWindow,
  type Instant,
  IntervalWindow,
  type PaneInfo,
  type Window,
} from '../../coders/index.ts';

const GLOBAL = 'GlobalWindow';
const TIME = '(?:\\d{4}|[+-]\\d{6})\\d{4}T\\d{6}(?:\\.\\d{3})?Z';
/** Matches what {@link windowName} gives, and {@link paneName}. */
export const WINDOW_NAMES = `${GLOBAL}|${TIME}-${TIME}`;
export const PANE_NAMES = 'pane-\\d+';

/**
 * `20260101T100000Z-20260101T110000Z`: from when to when, the end not included.
 *
 * @throws `UNSUPPORTED` for a window that has no two such times
 */
export function windowName(window: Window): string {
  if (window instanceof IntervalWindow) return `${timeName(window.start)}-${timeName(window.end)}`;
  if (window === GlobalWindow.INSTANCE) return GLOBAL;
  throw new BeamBridgeError(
    'UNSUPPORTED',
    `a file's name cannot hold the window ${String(window)}`,
    {
      hint: 'Write windows from one time to another, IntervalWindows, or put windowInto(…) in front of the writer.',
    },
  );
}

/** The calendar says the same again after so many years. */
const CYCLE_YEARS = 400;
const CYCLE_MILLIS = 146_097 * 86_400_000;
/** What a Date holds at most, on both sides of 1970; Beam's times go a little beyond it. */
const DATE_MILLIS = 8.64e15;

function timeName(instant: Instant): string {
  const beyond = Math.max(0, Math.abs(instant) - DATE_MILLIS);
  const cycles = Math.sign(instant) * Math.ceil(beyond / CYCLE_MILLIS);
  const [, year = '', day = '', time = '', millis] = /^([+-]?\d+)-(.*)T(.*)\.(\d+)Z$/.exec(
    new Date(instant - cycles * CYCLE_MILLIS).toISOString(),
  )!;
  const rest = `${day}T${time}`.replace(/[-:]/g, '');
  return `${yearName(Number(year) + cycles * CYCLE_YEARS)}${rest}${millis === '000' ? '' : `.${millis}`}Z`;
}

function yearName(year: number): string {
  if (year >= 0 && year <= 9999) return `${year}`.padStart(4, '0');
  return `${year < 0 ? '-' : '+'}${`${Math.abs(year)}`.padStart(6, '0')}`;
}

/**
 * `pane-0`, for the first one of a window. That it is late or the last, which Java's names say too, follows from the watermark:
 * a bundle that is run again might have another one, and its file would lie beside the first.
 */
export function paneName({ index }: Pick<PaneInfo, 'index'>): string {
  return `pane-${index}`;
}
