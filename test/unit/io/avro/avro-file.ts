// SPDX-License-Identifier: Apache-2.0
// Avro files made by avsc's encoder, block by block, so that a test can say what is wrong with one.

import { writeFileSync } from 'node:fs';
import { deflateRawSync } from 'node:zlib';
import avsc from 'avsc';
import { file } from '../scratch.ts';

export const MARKER = Buffer.from('0123456789abcdef');

export interface AvroFileOptions {
  readonly codec?: string;
  /** Records of a block. */
  readonly perBlock?: number;
  readonly marker?: Uint8Array;
}

/** The bytes of a file. */
export function avroBytes(
  schema: unknown,
  values: unknown[],
  options: AvroFileOptions = {},
): Buffer {
  const { codec = 'null', perBlock = 100, marker = MARKER } = options;
  const type = avsc.Type.forSchema(schema as never);
  const parts = [header(schema, codec, marker)];
  for (let at = 0; at < values.length; at += perBlock) {
    const some = values.slice(at, at + perBlock);
    parts.push(
      block(some.length, Buffer.concat(some.map((one) => type.toBuffer(one))), codec, marker),
    );
  }
  return Buffer.concat(parts);
}

export function header(schema: unknown, codec = 'null', marker: Uint8Array = MARKER): Buffer {
  const meta = {
    'avro.schema': Buffer.from(JSON.stringify(schema)),
    'avro.codec': Buffer.from(codec),
  };
  const map = avsc.Type.forSchema({ type: 'map', values: 'bytes' }).toBuffer(meta);
  return Buffer.concat([Buffer.from('Obj\x01', 'latin1'), map, marker]);
}

export function block(
  count: number,
  data: Buffer,
  codec = 'null',
  marker: Uint8Array = MARKER,
): Buffer {
  const long = avsc.Type.forSchema('long');
  const bytes = codec === 'deflate' ? deflateRawSync(data) : data;
  return Buffer.concat([long.toBuffer(count), long.toBuffer(bytes.length), bytes, marker]);
}

export function avroFile(
  name: string,
  schema: unknown,
  values: unknown[],
  options: AvroFileOptions = {},
): string {
  const path = file(name, '');
  writeFileSync(path, avroBytes(schema, values, options));
  return path;
}

/** The schema of a record of these fields. */
export function recordOf(fields: Record<string, unknown>, name = 'R'): object {
  return {
    type: 'record',
    name,
    fields: Object.entries(fields).map(([field, type]) => ({ name: field, type })),
  };
}
