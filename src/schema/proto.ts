// SPDX-License-Identifier: Apache-2.0
// Row types to Beam's schema message and back.

import * as coders from '../coders/index.ts';
import type { pb } from '../proto/index.ts';
import type { RowType } from './types.ts';

/**
 * The `Schema` message of a row type. Its id follows from its content and is the same in every run.
 * A type that came from a message gives that message back.
 */
export function schemaToProto(type: RowType<unknown>): pb.Schema {
  return coders.schemaToProto(type);
}

/**
 * The row type of a `Schema` message; `T` is what the caller knows about its rows.
 *
 * @throws BeamBridgeError `INVALID_SCHEMA` when a field has no portable type
 */
export function schemaFromProto<T = Record<string, unknown>>(schema: pb.Schema): RowType<T> {
  return coders.schemaFromProto(schema);
}
