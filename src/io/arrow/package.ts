// SPDX-License-Identifier: Apache-2.0
// What we use of `apache-arrow`, which users install if they want it, loaded no earlier than something is read or written.

import { optionalPackage } from '../optional-package.ts';

/** A type of a file, whose parts depend on what it is. */
export interface ArrowType {
  readonly typeId: number;
  readonly children?: readonly ArrowField[];
  /** Of whole numbers and decimals. */
  readonly bitWidth?: number;
  readonly isSigned?: boolean;
  /** Of fractions: 0 for 16 bits, 1 for 32, 2 for 64. */
  readonly precision?: number;
  readonly scale?: number;
  /** Of times and dates. */
  readonly unit?: number;
  /** Of bytes of one length. */
  readonly byteWidth?: number;
  /** Of lists of one length. */
  readonly listSize?: number;
  /** Of a dictionary's values. */
  readonly dictionary?: ArrowType;
  toString(): string;
}

export interface ArrowField {
  readonly name: string | null;
  readonly type: ArrowType;
}

export interface ArrowSchema {
  readonly fields: readonly ArrowField[];
}

export type Numbers =
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | Float32Array
  | Float64Array;

/** The values of a column in a record batch, as they lie in the file. */
export interface ArrowData {
  readonly type: ArrowType;
  readonly length: number;
  readonly nullCount: number;
  readonly values: Numbers | BigInt64Array | BigUint64Array;
  readonly valueOffsets: Int32Array | BigInt64Array;
  readonly children: readonly ArrowData[];
  readonly dictionary?: { readonly data: readonly ArrowData[] };
  /** Of texts and bytes that are views of buffers. */
  readonly variadicBuffers?: readonly Uint8Array[];
  getValid(at: number): boolean;
}

export interface ArrowBatch {
  readonly numRows: number;
  readonly data: ArrowData;
}

interface Codec {
  decode?(data: Uint8Array, size?: number): Uint8Array;
}

interface BatchWriter {
  write(batch: ArrowBatch): void;
  reset(sink: undefined, schema: ArrowSchema): unknown;
  close(): unknown;
  toUint8Array(sync: true): Uint8Array;
}

type Make<A extends readonly unknown[], T> = new (...args: A) => T;

export interface ArrowPackage {
  readonly Type: Readonly<Record<string, number>>;
  readonly RecordBatchReader: {
    from(bytes: AsyncIterable<Uint8Array>): Promise<{
      open(): Promise<{ readonly schema: ArrowSchema } & AsyncIterable<ArrowBatch>>;
    }>;
  };
  readonly RecordBatchStreamWriter: Make<[], BatchWriter>;
  readonly compressionRegistry: {
    get(kind: number): Codec | null;
    set(kind: number, codec: Codec): void;
  };
  readonly Schema: Make<[readonly ArrowField[]], ArrowSchema>;
  readonly Field: Make<[name: string, type: ArrowType, nullable: boolean], ArrowField>;
  readonly RecordBatch: Make<[ArrowSchema, ArrowData], ArrowBatch>;
  readonly makeData: (props: object) => ArrowData;
  readonly Int: Make<[isSigned: boolean, bitWidth: number], ArrowType>;
  readonly Float32: Make<[], ArrowType>;
  readonly Float64: Make<[], ArrowType>;
  readonly Bool: Make<[], ArrowType>;
  readonly Utf8: Make<[], ArrowType>;
  readonly Binary: Make<[], ArrowType>;
  readonly Decimal: Make<[scale: number, precision: number, bitWidth: number], ArrowType>;
  readonly Timestamp: Make<[unit: number, timezone: string], ArrowType>;
  readonly List: Make<[ArrowField], ArrowType>;
  readonly Struct: Make<[readonly ArrowField[]], ArrowType>;
  readonly Map_: Make<[ArrowField], ArrowType>;
}

/** Where a message is in a file. */
export interface ArrowBlock {
  readonly offset: number;
  readonly metaDataLength: number;
  readonly bodyLength: number;
}

interface ArrowFooter {
  readonly schema: ArrowSchema;
  recordBatches(): Iterable<ArrowBlock>;
  dictionaryBatches(): Iterable<ArrowBlock>;
}

export interface FooterPackage {
  readonly Footer: Make<
    [ArrowSchema, version: number, batches: readonly ArrowBlock[], dictionaries: readonly never[]],
    ArrowFooter
  > & {
    decode(bytes: Uint8Array): ArrowFooter;
    encode(footer: ArrowFooter): Uint8Array;
  };
  readonly FileBlock: Make<
    [metaDataLength: number, bodyLength: number, offset: number],
    ArrowBlock
  >;
}

/** @throws `PACKAGE_NOT_FOUND` when it is not installed */
export function arrowPackage(): Promise<ArrowPackage> {
  return optionalPackage('apache-arrow', 'Arrow files');
}

/** @throws `PACKAGE_NOT_FOUND` when it is not installed */
export function footerPackage(): Promise<FooterPackage> {
  return optionalPackage('apache-arrow/ipc/metadata/file', 'Arrow files');
}
