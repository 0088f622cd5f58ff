// SPDX-License-Identifier: Apache-2.0
// Starts Python: our descriptors of Beam's messages, which are made of tables, against those that @bufbuild/protobuf makes of
// the descriptors in the apache-beam wheel.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import {
  create,
  createFileRegistry,
  type DescEnum,
  type DescField,
  type DescFile,
  type DescMessage,
  type DescService,
  type FileRegistry,
  fromBinary,
  toBinary,
} from '@bufbuild/protobuf';
import { nestedTypes } from '@bufbuild/protobuf/reflect';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { execa } from 'execa';
import fc from 'fast-check';
import { file_expansion } from '../../src/proto/gen/expansion_pb.ts';
import { file_fn_execution } from '../../src/proto/gen/fn_execution_pb.ts';
import {
  file_google_protobuf_duration,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
} from '../../src/proto/gen/google_pb.ts';
import { file_interactive } from '../../src/proto/gen/interactive_pb.ts';
import { file_job_management } from '../../src/proto/gen/job_management_pb.ts';
import { file_pipeline } from '../../src/proto/gen/pipeline_pb.ts';
import { ensurePythonEnvironment } from '../../src/services/index.ts';

const ours: DescFile[] = [
  file_expansion,
  file_fn_execution,
  file_google_protobuf_duration,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_interactive,
  file_job_management,
  file_pipeline,
];
let theirs: FileRegistry;

before(async () => {
  const { python } = await ensurePythonEnvironment({});
  const scratch = mkdtempSync(join(tmpdir(), 'beambridge-descriptors-'));
  try {
    const script = new URL('../../scripts/proto.py', import.meta.url).pathname;
    await execa(python, [script, scratch]);
    const bytes = readFileSync(join(scratch, 'descriptors.binpb'));
    theirs = createFileRegistry(fromBinary(FileDescriptorSetSchema, bytes));
  } finally {
    rmSync(scratch, { recursive: true });
  }
});

/** All that is told of a description, with others in it by their names. */
function plain(desc: object): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const key of KEYS) {
    if (!(key in desc)) continue;
    const value = (desc as Record<string, unknown>)[key];
    if (key === 'getDefaultValue' && value) out[key] = (value as () => unknown)();
    else if (typeof value !== 'function') out[key] = named(value);
  }
  return { ...out, text: String(desc) };
}

const KEYS = [
  ...[
    'kind',
    'name',
    'typeName',
    'deprecated',
    'edition',
    'file',
    'parent',
    'open',
    'sharedPrefix',
  ],
  ...['number', 'scalar', 'message', 'enum', 'presence', 'utf8Validation', 'listKind', 'mapKind'],
  ...['mapKey', 'delimitedEncoding', 'packed', 'longAsString', 'getDefaultValue', 'oneof'],
  ...['localName', 'fieldKind', 'methodKind', 'input', 'output', 'idempotency', 'values', 'value'],
  ...['fields', 'field', 'oneofs', 'members', 'nestedEnums', 'nestedMessages', 'nestedExtensions'],
  ...['methods', 'method', 'messages', 'enums', 'services'],
];

function named(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(named);
  if (typeof value !== 'object' || value === null) return value;
  if ('kind' in value) return String(value);
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, named(each)]));
}

/** Everything in a file, by what it is called. */
function all(file: DescFile): Record<string, unknown> {
  const out: Record<string, unknown> = { [String(file)]: plain(file) };
  const add = (desc: object) => {
    out[String(desc)] = plain(desc);
  };
  for (const type of nestedTypes(file) as Iterable<DescMessage | DescEnum | DescService>) {
    if (type.kind === ('extension' as string)) continue;
    add(type);
    const parts =
      type.kind === 'message'
        ? [...type.fields, ...type.oneofs]
        : type.kind === 'enum'
          ? type.values
          : type.methods;
    for (const part of parts) add(part);
  }
  return out;
}

test('all that is described is described as in the wheel', () => {
  let messages = 0;
  for (const file of ours) {
    const real = theirs.getFile(`${file.name}.proto`)!;
    assert.deepEqual(all(file), all(real));
    messages += [...nestedTypes(file)].filter(({ kind }) => kind === 'message').length;
  }
  assert.ok(messages > 260, `${messages} messages`);
});

test('each field has its usual name in JSON', () => {
  for (const file of ours) {
    for (const type of nestedTypes(file)) {
      if (type.kind !== 'message') continue;
      // Beam's wheel leaves these names empty.
      for (const field of type.fields) assert.equal(field.jsonName, field.localName);
    }
  }
});

/** A value of a field, by numbers that `next` gives. */
function anyValue(field: DescField, next: () => number, depth: number): unknown {
  if (field.message) {
    if (field.message.typeName === 'google.protobuf.Struct') {
      return { a: [next(), null, { b: 'text' }], c: next() % 2 === 0 };
    }
    return initOf(field.message, next, depth - 1);
  }
  if (field.enum) return field.enum.values[next() % field.enum.values.length]!.number;
  return scalarOf(field.scalar!, next);
}

function scalarOf(scalar: number, next: () => number): unknown {
  if (scalar === 8) return next() % 2 === 1;
  if (scalar === 9) return `text ${next()} ☂`;
  if (scalar === 12) return Uint8Array.of(next() % 256, 0, 255);
  if ([3, 4, 6, 16, 18].includes(scalar)) return BigInt(next()) << 20n;
  return next();
}

function initOf(desc: DescMessage, next: () => number, depth: number): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const member of desc.members) {
    if (depth < 0 || next() % 3 === 0) continue;
    if (member.kind === 'oneof') {
      const field = member.fields[next() % member.fields.length]!;
      out[member.localName] = { case: field.localName, value: anyValue(field, next, depth) };
    } else if (member.fieldKind === 'list') {
      out[member.localName] = [anyValue(member, next, depth), anyValue(member, next, depth)];
    } else if (member.fieldKind === 'map') {
      const key = String(scalarOf(member.mapKey, next));
      out[member.localName] = { [key]: anyValue(member, next, depth) };
    } else out[member.localName] = anyValue(member, next, depth);
  }
  return out;
}

test('random messages of every type have the same bytes, both ways', () => {
  const types = ours.flatMap((file) =>
    [...nestedTypes(file)].filter((type) => type.kind === 'message'),
  );
  for (const type of types) {
    const real = theirs.getMessage(type.typeName)!;
    fc.assert(
      fc.property(fc.array(fc.nat(1 << 20), { minLength: 8, maxLength: 40 }), (numbers) => {
        let at = 0;
        const init = initOf(real, () => numbers[at++ % numbers.length]! + at, 3);
        const bytes = toBinary(real, create(real, init));
        assert.deepEqual(toBinary(type, create(type, init)), bytes);
        assert.deepEqual(fromBinary(type, bytes), fromBinary(real, bytes));
        assert.deepEqual(toBinary(type, fromBinary(type, bytes)), bytes);
      }),
      { numRuns: 20 },
    );
  }
});
