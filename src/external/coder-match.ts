// SPDX-License-Identifier: Apache-2.0
// Whether two coders have the same bytes, whatever JavaScript values they make of them.

import {
  type Coder,
  LengthPrefixCoder,
  RowCoder,
  typeName,
  UnknownCoder,
} from '../coders/index.ts';

/** Whether each coder reads what the other wrote. */
export function sameOnTheWire(a: Coder<unknown>, b: Coder<unknown>): boolean {
  if (a instanceof RowCoder && b instanceof RowCoder) return wireName(a) === wireName(b);
  const [left, right] = [a.spec(), b.spec()];
  const [parts, others] = [left.components ?? [], right.components ?? []];
  return (
    left.urn === right.urn &&
    parts.length === others.length &&
    parts.every((part, i) => sameOnTheWire(part, others[i]!))
  );
}

/** A row type by its bytes: an array and an iterable have the same. */
function wireName({ type }: RowCoder<unknown>): string {
  return typeName(type, { wireOnly: true }).replaceAll('iterable<', 'array<');
}

/** Whether this SDK can read the elements; a length prefix hides what is inside it. */
export function isReadable(coder: Coder<unknown>): boolean {
  if (coder instanceof UnknownCoder) return false;
  if (coder instanceof LengthPrefixCoder) return isReadable(coder.value);
  return (coder.spec().components ?? []).every(isReadable);
}

/** A coder in an error: Python's own by what it is. */
export function describeCoder(coder: Coder<unknown>): string {
  if (!isReadable(coder) && coder.spec().urn.includes('pickled')) return 'pickled Python objects';
  return coder.name;
}

/** What is known of why this SDK cannot read the elements: a field of a row that has no portable type. */
export function whyUnreadable(coder: Coder<unknown>): string | undefined {
  if (coder instanceof UnknownCoder) return coder.reason;
  const parts = coder instanceof LengthPrefixCoder ? [coder.value] : coder.spec().components;
  for (const part of parts ?? []) {
    const why = whyUnreadable(part);
    if (why !== undefined) return why;
  }
  return undefined;
}
