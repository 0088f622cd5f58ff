// SPDX-License-Identifier: Apache-2.0
// Types that have the bytes of a wider standard coder: other languages know that one, and here the
// limits hold all the same.

import { type ByteReader, ByteWriter } from '../base/index.ts';
import { fitsFloat32 } from './float32.ts';
import { DoubleCoder, StrUtf8Coder } from './primitive-coders.ts';
import type { FieldType } from './row/field-type.ts';
import { SchemaValueCoder } from './row/row-coder.ts';
import { VarIntCoder } from './var-int-coder.ts';

/** Types whose coder is that of a wider one. */
export type LimitedKind = 'int32' | 'int16' | 'byte' | 'float32';

/** What a coder holds its values to, beyond what it is on the wire. */
export function limitOf(coder: unknown): string | undefined {
  return coder instanceof NarrowIntCoder ||
    coder instanceof Float32Coder ||
    coder instanceof EnumerationCoder
    ? coder.limit
    : undefined;
}

/** Refuses values outside a type, in the words of a row's field. */
class Limits {
  private readonly scratch = new ByteWriter();
  private readonly field: SchemaValueCoder;

  constructor(type: FieldType) {
    this.field = new SchemaValueCoder(type);
  }

  check(value: unknown): void {
    this.scratch.reset();
    this.field.encode(value, this.scratch);
  }
}

/** `beam:coder:string_utf8:v1` of the values of an enumeration. @throws `ROW_MISMATCH` for others */
export class EnumerationCoder extends StrUtf8Coder {
  private readonly limits: Limits;
  /** With the values as JSON, since there is no end of such types. */
  readonly limit: string;

  constructor(type: FieldType & { readonly kind: 'enumeration' }) {
    super();
    this.limit = `enumeration:${JSON.stringify(type.values)}`;
    this.limits = new Limits(type);
  }

  override encode(value: string, out: ByteWriter, nested: boolean): void {
    this.limits.check(value);
    super.encode(value, out, nested);
  }

  override decode(input: ByteReader, nested: boolean): string {
    const value = super.decode(input, nested);
    this.limits.check(value);
    return value;
  }
}

/** `beam:coder:varint:v1` of integers of 8, 16 or 32 bits. @throws `ROW_MISMATCH` for others */
export class NarrowIntCoder extends VarIntCoder {
  private readonly limits: Limits;
  readonly limit: LimitedKind;

  constructor(type: FieldType & { readonly kind: 'int32' | 'int16' | 'byte' }) {
    super();
    this.limit = type.kind;
    this.limits = new Limits(type);
  }

  override encode(value: number, out: ByteWriter): void {
    this.limits.check(value);
    super.encode(value, out);
  }

  /** Other languages may write more than is declared. */
  override decode(input: ByteReader): number {
    const value = super.decode(input) as number;
    this.limits.check(value);
    return value;
  }
}

/** `beam:coder:double:v1` of numbers as a float32 has them. @throws `ROW_MISMATCH` for those that it has not */
export class Float32Coder extends DoubleCoder {
  readonly limit: LimitedKind = 'float32';
  private readonly limits = new Limits({ kind: 'float32' });

  override encode(value: number, out: ByteWriter): void {
    super.encode(this.rounded(value), out);
  }

  override decode(input: ByteReader): number {
    return this.rounded(super.decode(input));
  }

  private rounded(value: number): number {
    if (typeof value !== 'number' || !fitsFloat32(value)) this.limits.check(value);
    return Math.fround(value);
  }
}
