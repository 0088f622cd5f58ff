// SPDX-License-Identifier: Apache-2.0
// Whether two coders have the same bytes, whatever JavaScript values they make of them.

import {
  type Coder,
  type FieldType,
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

/** A row type by its bytes: an array and an iterable have the same, and so has a text whose length is limited. */
function wireName({ type }: RowCoder<unknown>): string {
  return typeName(asWritten(type), { wireOnly: true }).replaceAll('iterable<', 'array<');
}

/** Logical types that are written as what they are made of, and mean it: of limited lengths or digits, and of JDBC's names. */
const TRANSPARENT = /^beam:logical_type:((var|fixed)_(char|bytes)|fixed_decimal|javasdk_\w+):/;

function asWritten(type: FieldType): FieldType {
  switch (type.kind) {
    case 'row': {
      const fields = type.fields.map(({ name, type: field }) => ({ name, type: asWritten(field) }));
      return { kind: 'row', fields };
    }
    case 'nullable': {
      const value = asWritten(type.value);
      return value.kind === 'nullable' ? value : { kind: 'nullable', value };
    }
    case 'array':
    case 'iterable':
      return { kind: 'array', element: asWritten(type.element) };
    case 'map':
      return { kind: 'map', key: asWritten(type.key), value: asWritten(type.value) };
    case 'logical':
      return TRANSPARENT.test(type.urn) ? asWritten(type.representation) : type;
    default:
      return type;
  }
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
