// SPDX-License-Identifier: Apache-2.0
// Logical types of a program's own: values of a class, which travel as values of a type that Beam has.

import { BeamBridgeError } from '../../base/index.ts';
import type { FieldType } from './field-type.ts';

/** What a logical type means: its URN, the type that stands for it on the wire, and the way between. */
export interface OwnLogicalType<T = unknown, R = unknown> {
  urn: string;
  /** A schema type: `string`, `row({ … })`, … */
  reprType: FieldType;
  toRepr(value: T): R;
  fromRepr(representation: R): T;
}

const own = new Map<string, OwnLogicalType>();

/**
 * Teaches rows a logical type. A field of it holds your values here, and those of `reprType` on the wire,
 * which is what other languages see.
 *
 * Name it in an example with `beamLogicalType`: `withRowCoder({ at: { beamLogicalType: URN } })`.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT` for a URN of Beam's own
 *
 * @example
 * ```ts
 * registerLogicalType({
 *   urn: 'example:logical_type:point:v1',
 *   reprType: string,
 *   toRepr: (point: Point) => `${point.x},${point.y}`,
 *   fromRepr: (text: string) => Point.parse(text),
 * });
 * ```
 */
export function registerLogicalType<T, R>(type: OwnLogicalType<T, R>): void {
  if (
    typeof type?.urn !== 'string' ||
    typeof type.toRepr !== 'function' ||
    typeof type.fromRepr !== 'function'
  ) {
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      'the logical type lacks a urn, toRepr or fromRepr',
      {
        hint: 'Pass { urn, reprType, toRepr, fromRepr }.',
      },
    );
  }
  own.set(type.urn, type as OwnLogicalType);
}

/** The program's own logical type of this URN, if it registered one. */
export function ownLogicalType(urn: string): OwnLogicalType | undefined {
  return own.get(urn);
}
