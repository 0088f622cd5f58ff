// SPDX-License-Identifier: Apache-2.0
// Avro in the wire format of schema registries, with a registry in this process.

import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import avsc from 'avsc';
import { create, createRunner, type Root } from '../../../../src/index.ts';
import { kafkaAvro } from '../../../../src/io/index.ts';
import { SchemaRegistry } from '../../../../src/io/kafka/registry.ts';
import { checkOptions, WriteToKafka } from '../../../../src/io/write-to-kafka.ts';
import {
  array,
  bigint64,
  bytes,
  Decimal,
  decimal,
  enumeration,
  float32,
  float64,
  int64,
  map,
  millisInstant,
  nullable,
  row,
  type SchemaType,
  string,
  tensor,
} from '../../../../src/schema/index.ts';
import { reading, StandIn } from './stand-in.ts';

const inner = { type: 'record', name: 'Part', fields: [{ name: 'n', type: 'int' }] };
const schema = {
  type: 'record',
  name: 'Order',
  fields: [
    { name: 'extra', type: 'string' },
    { name: 'id', type: 'long' },
    { name: 'big', type: 'long' },
    { name: 'note', type: ['null', 'string'] },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['A', 'B'] } },
    { name: 'raw', type: 'bytes' },
    { name: 'sizes', type: { type: 'array', items: 'double' } },
    { name: 'counts', type: { type: 'map', values: 'long' } },
    { name: 'part', type: ['null', inner] },
  ],
};
const order = row({
  id: int64,
  big: bigint64,
  note: nullable(string),
  at: millisInstant,
  kind: enumeration(['A', 'B']),
  raw: bytes,
  sizes: array(float64),
  counts: map(string, int64),
  part: nullable(row({ n: int64 })),
});
const written = {
  extra: 'left out',
  id: 7,
  big: 9007199254740990,
  note: null,
  at: 1000,
  kind: 'B',
  raw: Buffer.from([1, 255]),
  sizes: [0.5],
  counts: { a: 1 },
  part: { n: 3 },
};
const expected = {
  id: 7,
  big: 9007199254740990n,
  note: null,
  at: new Date(1000),
  kind: 'B',
  raw: new Uint8Array([1, 255]),
  sizes: [0.5],
  counts: new Map([['a', 1]]),
  part: { n: 3 },
};

/** What the registry answers, by path; a number is a status. */
const answers = new Map<string, object | number>([
  ['/schemas/ids/1', { schema: JSON.stringify(schema) }],
  ['/schemas/ids/2', { schema: JSON.stringify({ type: 'record', name: 'O', fields: [] }) }],
  ['/schemas/ids/3', { schema: '{}', schemaType: 'PROTOBUF' }],
  ['/schemas/ids/4', { schema: '"string"' }],
  ['/subjects/o%2Fa/versions/latest', { id: 5, schema: JSON.stringify({ ...inner, name: 'P' }) }],
  ['/secret/schemas/ids/1', 401],
]);
/** A record of one field `x`, by the number of its schema and by a subject. */
function register(id: number, of: unknown): object {
  const one = { type: 'record', name: 'One', fields: [{ name: 'x', type: of }] };
  answers.set(`/schemas/ids/${id}`, { schema: JSON.stringify(one) });
  answers.set(`/subjects/s${id}/versions/latest`, { id, schema: JSON.stringify(one) });
  return one;
}
const asked: (string | undefined)[] = [];
let server: Server;
let registry = '';
before(async () => {
  server = createServer((request, response) => {
    asked.push(`${request.url} ${request.headers.authorization ?? ''}`.trim());
    const answer = answers.get(request.url ?? '') ?? 404;
    response.writeHead(typeof answer === 'number' ? answer : 200, { connection: 'close' });
    response.end(typeof answer === 'number' ? '{}' : JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  registry = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => server.close());

function message(id: number, value: unknown, of: unknown = schema): Uint8Array {
  const body = avsc.Type.forSchema(of as never).toBuffer(value);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(id, 1);
  return Buffer.concat([head, body]);
}

const runner = createRunner({ progress: false });
const run = (build: (root: Root) => void) => runner.run((root) => build(root));

test('messages are read with the schema that they were written with, which is asked for once', async () => {
  const client = new StandIn().topic('a', 1);
  const values = [message(1, written), message(1, { ...written, id: 8 }), message(1, written)];
  client.write('a', 0, ...values.map((value) => ({ value })));
  const seen: unknown[] = [];
  const user = { username: 'u', password: 'p' };
  const valueSchema = kafkaAvro(order, { registry: `${registry}/`, user });
  await run((root) => {
    root
      .apply(reading(client, { topics: 'a', stop: 'latest', valueSchema }))
      .map(({ value }) => void seen.push(value));
  });
  assert.deepEqual(seen, [expected, { ...expected, id: 8 }, expected]);
  assert.deepEqual(asked, ['/schemas/ids/1 Basic dTpw']);
});

test('messages that do not fit are set aside one by one', async () => {
  const client = new StandIn().topic('a', 1);
  const bad: [Uint8Array, string][] = [
    [message(2, {}, { type: 'record', name: 'O', fields: [] }), 'ROW_MISMATCH'],
    [message(3, 'x', 'string'), 'UNSUPPORTED'],
    [message(9, 'x', 'string'), 'MALFORMED_DATA'],
    [new Uint8Array([123, 125, 0, 0, 0, 0]), 'MALFORMED_DATA'],
    [new Uint8Array([0, 0]), 'MALFORMED_DATA'],
    [message(1, written).subarray(0, 9), 'MALFORMED_DATA'],
    [message(4, 'x', 'string'), 'ROW_MISMATCH'],
  ];
  client.write('a', 0, ...bad.map(([value]) => ({ value })), { value: message(1, written) });
  const failed: unknown[] = [];
  let good = 0;
  await run((root) => {
    const valueSchema = kafkaAvro(order, { registry });
    const source = reading(client, { topics: 'a', stop: 'latest', valueSchema });
    const read = root.apply(source.withDeadLetters());
    read.messages.map(() => {
      good += 1;
    });
    read.failed.map(({ errorType, message }) => void failed.push([errorType, message]));
  });
  assert.equal(good, 1);
  assert.deepEqual(
    failed.map((one) => (one as string[])[0]),
    bad.map(([, code]) => code),
    JSON.stringify(failed),
  );
});

function storing(stored: Uint8Array[]) {
  return {
    partitions: async () => 1,
    send: async (records: { value?: Uint8Array | undefined }[]) => {
      stored.push(...records.map(({ value }) => new Uint8Array(value!)));
      return true;
    },
    close: async () => {},
  };
}

test('messages are written with the latest schema of a subject', async () => {
  const stored: Uint8Array[] = [];
  const producer = storing(stored);
  const write = async (elements: unknown[], subject?: string) => {
    const options = subject === undefined ? { registry } : { registry, subject };
    const spec = checkOptions<unknown, Uint8Array, { n: number }>({
      bootstrapServers: 'stand-in',
      topic: 't',
      value: (element) => element as { n: number },
      valueSchema: kafkaAvro(row({ n: int64 }), options),
    });
    await run((root) => {
      root.apply(create(elements)).apply(new WriteToKafka(spec, async () => producer));
    });
  };
  await write([{ n: 3 }], 'o/a');
  assert.deepEqual(stored, [new Uint8Array([0, 0, 0, 0, 5, 6])]);
  await assert.rejects(write([{ n: 2 ** 40 }], 'o/a'), { code: 'ROW_MISMATCH' });
  await assert.rejects(write([{ n: 1 }], 'none'), { code: 'ENDPOINT_REFUSED', message: /none/ });
  await assert.rejects(write([{ n: 1 }]), { code: 'INVALID_ARGUMENT', message: /subject/ });
});

/** What one field is read as, or the error's code and message. */
async function readOne(id: number, of: unknown, x: unknown, type: SchemaType): Promise<unknown> {
  const schema = register(id, of);
  const client = new StandIn().topic('a', 1).write('a', 0, { value: message(id, { x }, schema) });
  const seen: unknown[] = [];
  const valueSchema = kafkaAvro(row({ x: type }), { registry });
  await run((root) => {
    const source = reading(client, { topics: 'a', stop: 'latest', valueSchema });
    const { messages, failed } = root.apply(source.withDeadLetters());
    messages.map(({ value }) => void seen.push(value?.x));
    failed.map(({ errorType, message }) => void seen.push([errorType, message]));
  });
  assert.equal(seen.length, 1);
  return seen[0];
}

/** The bytes that a field is written as. */
async function writeOne(id: number, of: unknown, fields: Record<string, SchemaType>, one: object) {
  register(id, of);
  const stored: Uint8Array[] = [];
  const spec = checkOptions<object, Uint8Array, object>({
    bootstrapServers: 'stand-in',
    topic: 't',
    value: (element) => element,
    valueSchema: kafkaAvro(row(fields), { registry, subject: `s${id}` }) as never,
  });
  await run((root) => {
    root.apply(create([one])).apply(new WriteToKafka(spec, async () => storing(stored)));
  });
  return stored[0];
}

const millis = { type: 'long', logicalType: 'timestamp-millis' };
const micros = { type: 'long', logicalType: 'timestamp-micros' };
const day = { type: 'int', logicalType: 'date' };
const local = { type: 'long', logicalType: 'local-timestamp-millis' };

test('an instant is what the logical type of the schema says', async () => {
  const time = 1_767_225_600_123;
  assert.deepEqual(await readOne(20, millis, time, millisInstant), new Date(time));
  assert.deepEqual(await readOne(21, micros, time * 1000, millisInstant), new Date(time));
  assert.deepEqual(await readOne(22, micros, -1, millisInstant), new Date(-1));
  assert.deepEqual(await readOne(23, day, 20_455, millisInstant), new Date('2026-01-02'));
  const optional = nullable(millisInstant);
  assert.deepEqual(await readOne(24, ['null', micros], time * 1000, optional), new Date(time));
  assert.equal(await readOne(25, ['null', micros], null, optional), null);
  const many = { type: 'array', items: { type: 'map', values: micros } };
  assert.deepEqual(
    await readOne(26, many, [{ a: time * 1000 }], array(map(string, millisInstant))),
    [new Map([['a', new Date(time)]])],
  );
  assert.equal(await readOne(27, micros, 5, int64), 5);
  // Without a zone it is one of UTC, as in files.
  assert.deepEqual(await readOne(28, local, time, millisInstant), new Date(time));
});

test('a number that is no instant is not read as one', async () => {
  for (const [id, of] of [
    [30, 'long'],
    [32, { type: 'int', logicalType: 'time-millis' }],
    [33, ['null', 'double']],
  ] as const) {
    const [code, text] = (await readOne(id, of, 5, nullable(millisInstant))) as string[];
    assert.equal(code, 'ROW_MISMATCH');
    assert.match(text!, /its field x is (long|int|double).*, and declared millis_instant/);
  }
});

test('an instant is written in the unit of the schema, and into nothing else', async () => {
  const at = new Date(1_767_225_600_123);
  const write = (id: number, of: unknown) => writeOne(id, of, { x: millisInstant }, { x: at });
  const bytesOf = (id: number, of: unknown, x: number) =>
    new Uint8Array(message(id, { x }, register(id, of)));
  assert.deepEqual(await write(40, millis), bytesOf(40, millis, at.getTime()));
  assert.deepEqual(await write(41, micros), bytesOf(41, micros, at.getTime() * 1000));
  assert.deepEqual(
    await write(42, ['null', micros]),
    bytesOf(42, ['null', micros], at.getTime() * 1000),
  );
  for (const [id, of] of [
    [43, 'long'],
    [44, local],
    [45, day],
    [46, 'string'],
  ] as const) {
    await assert.rejects(write(id, of), {
      code: 'ROW_MISMATCH',
      message: /its field x is .*, and declared millis_instant/,
    });
  }
});

test('a declared field that the schema lacks is not left out', async () => {
  const fields = { x: int64, note: nullable(string) };
  await assert.rejects(writeOne(50, 'long', fields, { x: 1, note: 'kept' }), {
    code: 'ROW_MISMATCH',
    message: /the schema of s50: it has no field note/,
  });
});

test('whole numbers of 64 bits are written as they are', async () => {
  for (const x of [2n ** 60n, -(2n ** 63n), 7n]) {
    const content = await writeOne(60, ['null', 'long'], { x: bigint64 }, { x });
    const client = new StandIn().topic('a', 1).write('a', 0, { value: content! });
    const seen: unknown[] = [];
    const valueSchema = kafkaAvro(row({ x: bigint64 }), { registry });
    await run((root) => {
      root
        .apply(reading(client, { topics: 'a', stop: 'latest', valueSchema }))
        .map(({ value }) => void seen.push(value?.x));
    });
    assert.deepEqual(seen, [x]);
  }
  assert.deepEqual(
    await writeOne(61, 'int', { x: bigint64 }, { x: 3n }),
    new Uint8Array([0, 0, 0, 0, 61, 6]),
  );
  await assert.rejects(writeOne(62, 'int', { x: bigint64 }, { x: 2n ** 60n }), {
    code: 'ROW_MISMATCH',
    message: /no value of s62: field x: a whole number beyond 2\^53/,
  });
});

/** The bytes of a value as a message of a schema. */
function framed(id: number, ...body: number[]): Uint8Array {
  return Uint8Array.of(0, 0, 0, 0, id, ...body);
}

// 2^35 - 1: a message that says it of its values would use up the memory, were it taken at its word.
const HUGE = [0xfe, 0xff, 0xff, 0xff, 0xff, 0x01];

test('a message whose lengths are beyond its end is set aside, and takes no memory', async () => {
  const cases: [of: unknown, type: SchemaType, body: number[]][] = [
    [{ type: 'array', items: 'int' }, array(int64), [...HUGE, 2]],
    // As a block of which the bytes are told, too.
    [{ type: 'array', items: 'int' }, array(int64), [0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 2, 2]],
    [{ type: 'array', items: 'int' }, array(int64), [1, ...HUGE, 2]],
    [{ type: 'map', values: 'int' }, map(string, int64), [...HUGE, 2, 97, 2]],
    ['string', string, HUGE],
    ['bytes', bytes, HUGE],
    // A negative one.
    ['bytes', bytes, [3]],
  ];
  for (const [at, [of, type, body]] of cases.entries()) {
    const id = 70 + at;
    register(id, of);
    const client = new StandIn().topic('a', 1).write('a', 0, { value: framed(id, ...body) });
    const failed: string[][] = [];
    await run((root) => {
      const valueSchema = kafkaAvro(row({ x: type }), { registry });
      const source = reading(client, { topics: 'a', stop: 'latest', valueSchema });
      const dead = root.apply(source.withDeadLetters()).failed;
      dead.map(({ errorType, message }) => void failed.push([errorType, message]));
    });
    assert.equal(failed.length, 1);
    assert.equal(failed[0]![0], 'MALFORMED_DATA');
    const text = `no value of schema ${id}: a length is beyond the end of its bytes`;
    assert.ok(failed[0]![1]!.startsWith(text), failed[0]![1]);
  }
});

test('a message that was cut, or has bytes behind its value, is none', async () => {
  const whole = message(1, { ...written, note: 'n', sizes: [0.5, 1] });
  // Also where what is cut was not declared.
  for (const type of [order, row({ big: bigint64 })]) {
    const format = kafkaAvro<unknown>(type, { registry });
    await format.prepareDecode?.(whole);
    assert.ok(format.decode(whole));
    const bad = { code: 'MALFORMED_DATA' };
    for (let length = 0; length < whole.length; length++)
      assert.throws(() => format.decode(whole.subarray(0, length)), bad);
    assert.throws(() => format.decode(Buffer.concat([whole, Buffer.of(0)])), {
      ...bad,
      message: /no value of schema 1: there are 1 bytes behind it/,
    });
  }
});

test('what a writer has otherwise is read as what is declared, where that is exact', async () => {
  const optional = nullable(string);
  assert.equal(await readOne(80, ['null', 'string', 'boolean'], 'a', optional), 'a');
  assert.equal(await readOne(81, ['null', 'string', 'boolean'], null, optional), null);
  const mixed = (await readOne(82, ['null', 'string', 'boolean'], true, optional)) as string[];
  assert.deepEqual(mixed[0], 'ROW_MISMATCH');
  assert.equal(await readOne(83, 'double', 5, int64), 5);
  assert.equal(await readOne(84, 'double', 2 ** 60, bigint64), 2n ** 60n);
  assert.equal(await readOne(85, 'int', 5, bigint64), 5n);
  assert.equal(await readOne(86, 'int', 5, float64), 5);
  for (const [id, x] of [
    [87, 0.5],
    [88, Number.NaN],
  ] as const) {
    const [code, text] = (await readOne(id, 'double', x, bigint64)) as string[];
    assert.equal(code, 'ROW_MISMATCH');
    assert.match(text!, /field x: (0\.5|NaN) is no whole number/);
  }
});

test('a number that the schema does not hold exactly is not written', async () => {
  assert.deepEqual(
    await writeOne(90, 'float', { x: float64 }, { x: 0.5 }),
    new Uint8Array([0, 0, 0, 0, 90, 0, 0, 0, 0x3f]),
  );
  const inexact = { code: 'ROW_MISMATCH', message: /no value of s9\d: field x: .* is no float/ };
  await assert.rejects(writeOne(91, 'float', { x: float64 }, { x: 0.1 }), inexact);
  await assert.rejects(writeOne(92, 'float', { x: int64 }, { x: 2 ** 24 + 1 }), inexact);
  await assert.rejects(writeOne(93, 'long', { x: float64 }, { x: 5 }), {
    code: 'ROW_MISMATCH',
    message: /the schema of s93: its field x is long, and declared float64/,
  });
});

test('fields that are not declared are written as their defaults', async () => {
  const one = {
    type: 'record',
    name: 'One',
    fields: [
      { name: 'note', type: ['null', 'string'], default: null },
      { name: 'x', type: 'int' },
      { name: 'kind', type: { type: 'enum', name: 'K', symbols: ['A', 'B'] }, default: 'B' },
    ],
  };
  answers.set('/subjects/s94/versions/latest', { id: 94, schema: JSON.stringify(one) });
  const format = kafkaAvro<object>(row({ x: int64 }) as never, { registry, subject: 's94' });
  await format.prepareEncode?.();
  assert.deepEqual(format.encode({ x: 3 }), framed(94, 0, 6, 2));
});

test('decimals have their digits, read and written', async () => {
  const price = { type: 'bytes', logicalType: 'decimal', precision: 6, scale: 2 };
  const fields = { x: decimal };
  const content = await writeOne(79, price, fields, { x: Decimal.from('-2.5') });
  assert.deepEqual(content, new Uint8Array([0, 0, 0, 0, 79, 4, 0xff, 0x06]));
  assert.deepEqual(
    await readOne(79, price, Buffer.from([0xff, 0x06]), decimal),
    new Decimal(-250n, 2),
  );
});

test('a registry that refuses, or is away', async () => {
  await assert.rejects(new SchemaRegistry(`${registry}/secret`, undefined).schema(1), {
    code: 'CREDENTIALS_REFUSED',
  });
  await assert.rejects(new SchemaRegistry('http://127.0.0.1:1', undefined, 0).schema(1), {
    code: 'ENDPOINT_UNAVAILABLE',
  });
});

test('wrong options', () => {
  const of = (type: unknown, options: unknown) => () => kafkaAvro(type as never, options as never);
  const invalid = { code: 'INVALID_ARGUMENT' };
  assert.throws(of('string', { registry }), invalid);
  assert.throws(of(row({ t: tensor(float32, [2]) }), { registry }), {
    ...invalid,
    message: /field t/,
  });
  assert.throws(of(string, undefined), invalid);
  assert.throws(of(string, { registry: 'localhost:8081' }), invalid);
  assert.throws(of(string, { registry: 'http://u:geheim@host' }), (error: Error) => {
    assert.doesNotMatch(error.message, /geheim/);
    return true;
  });
  assert.throws(of(string, { registry, subject: '' }), invalid);
  assert.throws(of(string, { registry, user: { username: 'u' } }), { code: 'CREDENTIALS_MISSING' });
});
