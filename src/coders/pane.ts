// SPDX-License-Identifier: Apache-2.0
// PaneInfo on the wire: a byte of flags, timing and form, then none, one or two indices. Both are signed:
// Python gives -1 to a pane that is neither the first nor says which it is.

import type { ByteReader, ByteWriter } from '../base/index.ts';
import { malformed } from './describe.ts';
import { NO_FIRING, type PaneInfo, Timing } from './values.ts';

/** The form in the high four bits: which indices follow. */
const FIRST = 0;
const ONE_INDEX = 1;
const TWO_INDICES = 2;

const FLAGS_NO_FIRING = 0x0f;

export function writePane(pane: PaneInfo, out: ByteWriter): void {
  if (pane === NO_FIRING) {
    out.byte(FLAGS_NO_FIRING);
    return;
  }
  const form = formOf(pane);
  out.byte((pane.isFirst ? 1 : 0) | (pane.isLast ? 2 : 0) | (pane.timing << 2) | (form << 4));
  if (form === FIRST) return;
  out.signedVarint(pane.index);
  if (form === TWO_INDICES) out.signedVarint(pane.onTimeIndex);
}

function formOf(pane: PaneInfo): number {
  if ((pane.index === 0 && pane.onTimeIndex === 0) || pane.timing === Timing.UNKNOWN) return FIRST;
  if (pane.index === pane.onTimeIndex || pane.timing === Timing.EARLY) return ONE_INDEX;
  return TWO_INDICES;
}

export function readPane(input: ByteReader): PaneInfo {
  const first = input.byte();
  if (first === FLAGS_NO_FIRING) return NO_FIRING;
  const timing = ((first >> 2) & 3) as Timing;
  const form = first >> 4;
  let index = 0;
  let onTimeIndex = 0;
  if (form === ONE_INDEX || form === TWO_INDICES) {
    index = readIndex(input);
    if (form === TWO_INDICES) onTimeIndex = readIndex(input);
    else onTimeIndex = timing === Timing.EARLY ? -1 : index;
  } else if (form !== FIRST) {
    throw malformed(`a pane has the unknown form ${form}`);
  }
  return { isFirst: (first & 1) !== 0, isLast: (first & 2) !== 0, timing, index, onTimeIndex };
}

function readIndex(input: ByteReader): number {
  const index = input.signedVarint();
  if (index !== undefined && index >= -1) return index;
  throw malformed('a pane has an index that is out of range');
}
