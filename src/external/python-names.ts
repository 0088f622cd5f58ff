// SPDX-License-Identifier: Apache-2.0
// Names of fields that Python can have. Rows are named tuples there, whose fields are identifiers: other
// names would fail while the transform is expanded, with a dump of the schema in place of a reason.

import { BeamBridgeError } from '../base/index.ts';
import { type Coder, type FieldType, RowCoder } from '../coders/index.ts';
import type { TransformNode } from '../pipeline/index.ts';

const KEYWORDS = new Set(
  (
    'False None True and as assert async await break class continue def del elif else except finally ' +
    'for from global if import in is lambda nonlocal not or pass raise return try while with yield'
  ).split(' '),
);

/**
 * Refuses rows whose fields Python cannot name.
 *
 * @param what - whose rows these are, for the error
 * @throws BeamBridgeError `NO_PORTABLE_TYPE`
 */
export function checkPythonNames(coder: Coder<unknown>, what: string, node: TransformNode): void {
  const name = foreignName(coder);
  if (name === undefined) return;
  throw new BeamBridgeError(
    'NO_PORTABLE_TYPE',
    `${what} has rows with a field ${JSON.stringify(name)}, which is no name in Python`,
    {
      ...node.errorDetails,
      hint: 'Rename the field before the transform, in a map, or behind it: a letter first, then letters, digits and _, and no keyword of Python.',
    },
  );
}

/**
 * Refuses arguments of a Python transform with names that Python cannot have: keyword arguments, and rows.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT`
 */
export function checkArgumentNames(type: FieldType, transform: string): void {
  const name = foreignIn(type);
  if (name === undefined) return;
  throw new BeamBridgeError(
    'INVALID_ARGUMENT',
    `the arguments of ${transform} have the name ${JSON.stringify(name)}, which is no name in Python`,
    {
      hint: 'Give a Map in place of an object, which becomes a dict, or rename it: a letter first, then letters, digits and _, and no keyword of Python.',
    },
  );
}

function foreignName(coder: Coder<unknown>): string | undefined {
  if (coder instanceof RowCoder) return foreignIn(coder.type);
  return first(coder.spec().components ?? [], foreignName);
}

function foreignIn(type: FieldType): string | undefined {
  switch (type.kind) {
    case 'row':
      return first(type.fields, ({ name, type: inner }) =>
        isPythonName(name) ? foreignIn(inner) : name,
      );
    case 'array':
    case 'iterable':
      return foreignIn(type.element);
    case 'nullable':
      return foreignIn(type.value);
    case 'map':
      return foreignIn(type.key) ?? foreignIn(type.value);
    default:
      return undefined;
  }
}

function first<T>(all: readonly T[], find: (one: T) => string | undefined): string | undefined {
  for (const one of all) {
    const found = find(one);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** As Python's named tuples want it: they keep names with an underscore in front for themselves. */
function isPythonName(name: string): boolean {
  return /^\p{XID_Start}\p{XID_Continue}*$/u.test(name) && !KEYWORDS.has(name);
}
