// SPDX-License-Identifier: Apache-2.0
// Codec of rows: the number of fields, a bit per field that is null, then the fields that are not.

import type { ByteReader, ByteWriter } from '../../base/index.ts';
import { malformed } from '../describe.ts';
import { setField } from '../set-field.ts';
import type { Codec } from './codec.ts';
import { type FieldType, fieldName, type RowFieldsType } from './field-type.ts';
import { mismatchThat, rethrowWithin, wrongType } from './mismatch.ts';

interface FieldCodec extends Codec {
  readonly name: string;
  readonly nullable: boolean;
  /** Position in the schema, which is also the position of the null bit. */
  readonly index: number;
  /** Whether every object inherits something of that name, which is no field. */
  readonly isInherited: boolean;
}

export function rowCodec(type: RowFieldsType, compile: (type: FieldType) => Codec): Codec {
  const fields: FieldCodec[] = type.fields.map(({ name, type }, index) => {
    const nullable = type.kind === 'nullable';
    const { write, read } = compile(nullable ? type.value : type);
    return { name, nullable, index, write, read, isInherited: name in Object.prototype };
  });
  const ordered = type.encodingOrder?.map((index) => fields[index]!) ?? fields;
  const hasNullable = fields.some((field) => field.nullable);
  const bitBytes = Math.ceil(fields.length / 8);

  function write(value: unknown, out: ByteWriter): void {
    if (!isRowObject(value))
      throw wrongType(type, value, 'A row is an object with the declared fields.');
    out.varint(fields.length);
    if (hasNullable) writeNulls(value, fields, bitBytes, out);
    else out.byte(0);
    let at = 0;
    let present = 0;
    try {
      for (; at < ordered.length; at++) {
        const field = ordered[at]!;
        const item = itemOf(value, field);
        if (item !== undefined) present++;
        if (field.nullable && (item === null || item === undefined)) continue;
        field.write(item, out);
      }
    } catch (error) {
      rethrowWithin(error, fieldName(ordered[at]!.name));
    }
    if (Object.keys(value).length !== present) refuseExtra(value, type);
  }

  function read(input: ByteReader, outer = false): unknown {
    const count = input.varint();
    if (count > fields.length && !outer) throw tooManyFields(count, fields.length);
    const nulls = readNulls(input, count);
    const row: Record<string, unknown> = {};
    // Keys in the schema's order, whatever the order of their bytes.
    if (ordered !== fields) for (const { name } of fields) setField(row, name, null);
    let at = 0;
    try {
      for (; at < ordered.length; at++) {
        const field = ordered[at]!;
        // A row written before a field was added ends early: what it lacks is null (Beam's rule).
        const absent = at >= count || isNull(nulls, field.index);
        if (absent && !field.nullable) throw missingField(at >= count);
        setField(row, field.name, absent ? null : field.read(input));
      }
    } catch (error) {
      rethrowWithin(error, fieldName(ordered[at]!.name));
    }
    // Written by a later schema: in the outer context what remains can only be its new fields.
    if (count > fields.length) input.rest();
    return row;
  }

  return { write, read };
}

function isRowObject(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !ArrayBuffer.isView(value) &&
    !(value instanceof Map)
  );
}

function itemOf(value: Record<string, unknown>, { name, isInherited }: FieldCodec): unknown {
  return isInherited && !Object.hasOwn(value, name) ? undefined : value[name];
}

function writeNulls(
  value: Record<string, unknown>,
  fields: readonly FieldCodec[],
  bitBytes: number,
  out: ByteWriter,
): void {
  let bits: Uint8Array | undefined;
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i]!;
    if (!field.nullable) continue;
    const item = itemOf(value, field);
    if (item !== null && item !== undefined) continue;
    bits ??= new Uint8Array(bitBytes);
    bits[i >> 3]! |= 1 << (i & 7);
  }
  if (bits) out.prefixedBytes(bits);
  else out.byte(0);
}

const NO_NULLS = new Uint8Array(0);

function readNulls(input: ByteReader, count: number): Uint8Array {
  const size = input.varint();
  if (size === 0) return NO_NULLS;
  if (size > Math.ceil(count / 8))
    throw malformed(`${size} bytes of null bits for ${count} fields`);
  return input.bytes(size);
}

function isNull(nulls: Uint8Array, index: number): boolean {
  return index >> 3 < nulls.length && (nulls[index >> 3]! & (1 << (index & 7))) !== 0;
}

function tooManyFields(count: number, known: number) {
  return malformed(`a row has ${count} fields, the schema ${known}: nobody can tell where it ends`);
}

function missingField(early: boolean) {
  return mismatchThat(
    early
      ? 'is not in the encoded row and is not nullable'
      : 'is null in the encoded row but not nullable',
    'Declare the field nullable, or write it in every row.',
  );
}

function refuseExtra(value: Record<string, unknown>, type: RowFieldsType): void {
  const declared = new Set(type.fields.map(({ name }) => name));
  const extra = Object.keys(value).find((name) => !declared.has(name) && value[name] !== undefined);
  if (extra === undefined) return;
  throw mismatchThat(
    'is in the row but not in its declared type',
    `Leave it out, or declare it. Declared: ${[...declared].map(fieldName).join(', ') || 'no fields'}.`,
  ).within(fieldName(extra));
}
