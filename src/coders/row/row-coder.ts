// SPDX-License-Identifier: Apache-2.0
// The coders of schema types: rows, which every SDK knows, and single values of types that have
// no standard coder of their own.

import type { ByteReader, ByteWriter } from '../../base/index.ts';
import { fromBinary, pb, toBinary, urns } from '../../proto/index.ts';
import type { Coder, CoderSpec } from '../coder.ts';
import { type Codec, compile } from './codec.ts';
import { type FieldType, type RowFieldsType, typeName } from './field-type.ts';
import { FieldMismatch } from './mismatch.ts';
import { schemaFromProto } from './type-from-proto.ts';
import { schemaToProto } from './type-to-proto.ts';

export const SCHEMA_VALUE_CODER_URN = 'beambridge:coder:schema_value:v1';

/** Compiles the type once and turns mismatches into errors that name the field. */
class CompiledCoder {
  private readonly codec: Codec;

  constructor(
    readonly name: string,
    type: FieldType,
  ) {
    this.codec = compile(type);
  }

  encode(value: unknown, out: ByteWriter): void {
    const start = out.length;
    try {
      this.codec.write(value, out);
    } catch (error) {
      // Half a row must not stay in a buffer that goes on to be used.
      out.reset(start);
      throw this.explain(error);
    }
  }

  decode(input: ByteReader, nested: boolean): unknown {
    try {
      return this.codec.read(input, !nested);
    } catch (error) {
      throw this.explain(error);
    }
  }

  private explain(error: unknown): unknown {
    return error instanceof FieldMismatch ? error.toError(this.name) : error;
  }
}

/**
 * `beam:coder:row:v1`: plain objects with the fields of a schema.
 *
 * Rows are deterministic: map entries are written in the order of their keys' bytes. A row that
 * was written with fewer fields than the schema has now decodes with null for the new ones, which
 * must be nullable; one with more loses the additional ones, in the outer context only, since
 * nobody can tell where an unknown field ends.
 *
 * @throws BeamBridgeError `ROW_MISMATCH` for a row with a missing, extra, null or wrong field,
 *   named by its path; `INT64_OUT_OF_RANGE` for an integer that a number cannot hold
 * @example
 * ```ts
 * const coder = new RowCoder(row({ id: int64, label: nullable(string) }));
 * ```
 */
export class RowCoder<T = Record<string, unknown>> implements Coder<T> {
  readonly name: string;
  readonly deterministic = true;
  private readonly compiled: CompiledCoder;

  constructor(readonly type: RowFieldsType) {
    this.name = typeName(type);
    this.compiled = new CompiledCoder(this.name, type);
  }

  encode(value: T, out: ByteWriter): void {
    this.compiled.encode(value, out);
  }

  decode(input: ByteReader, nested: boolean): T {
    return this.compiled.decode(input, nested) as T;
  }

  spec(): CoderSpec {
    const payload = this.type.proto ?? toBinary(pb.SchemaSchema, schemaToProto(this.type));
    return { urn: urns.StandardCoders_Enum.ROW, payload };
  }
}

/**
 * One value of a schema type that Beam has no standard coder for: its bytes are those of a row's
 * field. Only this package knows it.
 */
export class SchemaValueCoder<T = unknown> implements Coder<T> {
  readonly name: string;
  readonly deterministic = true;
  private readonly compiled: CompiledCoder;

  constructor(readonly type: FieldType) {
    this.name = typeName(type);
    this.compiled = new CompiledCoder(this.name, type);
  }

  encode(value: T, out: ByteWriter): void {
    this.compiled.encode(value, out);
  }

  decode(input: ByteReader, nested: boolean): T {
    return this.compiled.decode(input, nested) as T;
  }

  /** The payload is a schema of one field, because a field can carry options and a type cannot. */
  spec(): CoderSpec {
    const schema = schemaToProto({ kind: 'row', fields: [{ name: 'value', type: this.type }] });
    return { urn: SCHEMA_VALUE_CODER_URN, payload: toBinary(pb.SchemaSchema, schema) };
  }
}

export function rowTypeFromPayload(payload: Uint8Array): RowFieldsType {
  return schemaFromProto(fromBinary(pb.SchemaSchema, payload));
}
