// SPDX-License-Identifier: Apache-2.0
// Avro files to typed rows, on the node runner in this process. The values are encoded by avsc; what fastavro and
// Apache Avro write is read in golden.test.ts and test/integration/avro-fastavro.test.ts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { create, createRunner } from '../../../../src/index.ts';
import {
  type FailedRecord,
  inferAvroType,
  type ReadAvroOptions,
  readAllFromAvro,
  readFromAvro,
} from '../../../../src/io/index.ts';
import {
  array,
  bigint64,
  boolean,
  bytes,
  Decimal,
  decimal,
  enumeration,
  float32,
  float64,
  int16,
  int32,
  int64,
  MicrosInstant,
  map,
  microsInstant,
  millisInstant,
  nullable,
  row,
  type SchemaType,
  string,
  tensor,
  typedArray,
} from '../../../../src/schema/index.ts';
import { file } from '../scratch.ts';
import { avroBytes, avroFile, block, header, MARKER, recordOf } from './avro-file.ts';

async function rowsOf<T>(path: string | string[], options: ReadAvroOptions<T>): Promise<T[]> {
  const rows: T[] = [];
  await createRunner({ progress: false }).run((root) => {
    root.apply(readFromAvro(path, options)).map((one) => void rows.push(one));
  });
  return rows;
}

async function both<T>(path: string, schema: ReadAvroOptions<T>['schema']) {
  const good: T[] = [];
  const bad: FailedRecord[] = [];
  await createRunner({ progress: false }).run((root) => {
    const { records, failed } = root.apply(readFromAvro(path, { schema }).withBadRecords());
    records.map((one) => void good.push(one));
    failed.map((one) => void bad.push(one));
  });
  return { good, bad };
}

/** What one value of a field is read as. */
async function one(name: string, of: unknown, x: unknown, type: SchemaType): Promise<unknown> {
  const path = avroFile(`${name}.avro`, recordOf({ x: of }), [{ x }]);
  const [read] = await rowsOf(path, { schema: row({ x: type }) });
  return (read as { x: unknown }).x;
}

const ids = (length: number) => Array.from({ length }, (_, id) => ({ id }));
const numbers = (name: string, length: number, perBlock = 100) =>
  avroFile(name, recordOf({ id: 'long' }), ids(length), { perBlock });

test('the declared fields are read in their order, whatever that of the file is, and no other', async () => {
  const inner = recordOf({ n: 'int', unused: { type: 'map', values: 'string' } }, 'Inner');
  const schema = recordOf({
    unused: { type: 'array', items: inner },
    note: ['null', 'string'],
    id: 'long',
    part: 'Inner',
    last: { type: 'fixed', name: 'F', size: 3 },
  });
  const value = {
    unused: [{ n: 1, unused: { a: 'b' } }],
    note: null,
    id: -5,
    part: { n: 7, unused: {} },
    last: Buffer.from('abc'),
  };
  const path = avroFile('order.avro', schema, [value, { ...value, note: 'ä😀', id: 6 }]);
  const rows = await rowsOf(path, {
    schema: row({ id: int64, note: nullable(string), part: row({ n: int32 }) }),
  });
  assert.deepEqual(rows, [
    { id: -5, note: null, part: { n: 7 } },
    { id: 6, note: 'ä😀', part: { n: 7 } },
  ]);
  assert.deepEqual(Object.keys(rows[0]!), ['id', 'note', 'part']);
});

test('every kind of value', async () => {
  assert.equal(await one('b', 'boolean', true, boolean), true);
  assert.equal(await one('f', 'float', 0.5, float32), 0.5);
  assert.equal(await one('d', 'double', 0.1, float64), 0.1);
  assert.equal(await one('df', 'double', 0.5, float32), 0.5);
  assert.equal(await one('ld', 'long', 2 ** 53 - 2, float64), 2 ** 53 - 2);
  assert.equal(await one('i', 'int', -(2 ** 31), int32), -(2 ** 31));
  assert.equal(await one('ib', 'int', 2 ** 31 - 1, bigint64), 2n ** 31n - 1n);
  assert.equal(await one('l16', 'long', -300, int16), -300);
  assert.deepEqual(
    await one('raw', 'bytes', Buffer.from([1, 255]), bytes),
    new Uint8Array([1, 255]),
  );
  const fixed = { type: 'fixed', name: 'F', size: 2 };
  assert.deepEqual(await one('fix', fixed, Buffer.from([1, 2]), bytes), new Uint8Array([1, 2]));
  const kind = { type: 'enum', name: 'K', symbols: ['A', 'B'] };
  assert.equal(await one('e', kind, 'B', enumeration(['B', 'A'])), 'B');
  assert.equal(await one('es', kind, 'B', string), 'B');
  assert.equal(await one('se', 'string', 'B', enumeration(['B', 'A'])), 'B');
  const list = { type: 'array', items: ['null', 'int'] };
  assert.deepEqual(await one('a', list, [1, null], array(nullable(int64))), [1, null]);
  const floats = { type: 'array', items: 'float' };
  assert.deepEqual(
    await one('ta', floats, [0.5, 2], typedArray('float32')),
    new Float32Array([0.5, 2]),
  );
  const counts = { type: 'map', values: 'long' };
  assert.deepEqual(
    await one('m', counts, { a: 1, '': 2 }, map(string, int64)),
    new Map([
      ['a', 1],
      ['', 2],
    ]),
  );
  assert.equal(await one('nothing', 'null', null, nullable(string)), null);
  assert.equal(await one('alone', ['string'], 'a', string), 'a');
});

test('values of logical types', async () => {
  const long = (logicalType: string) => ({ type: 'long', logicalType });
  const time = 1_767_225_600_123;
  assert.deepEqual(await one('ms', long('timestamp-millis'), time, millisInstant), new Date(time));
  assert.deepEqual(
    await one('lms', long('local-timestamp-millis'), -1, millisInstant),
    new Date(-1),
  );
  const micros = new MicrosInstant(1_767_225_600_123_456n);
  assert.deepEqual(
    await one('us', long('timestamp-micros'), 1_767_225_600_123_456, microsInstant),
    micros,
  );
  assert.deepEqual(
    await one('ns', long('timestamp-nanos'), 5000, microsInstant),
    new MicrosInstant(5n),
  );
  assert.deepEqual(
    await one('day', { type: 'int', logicalType: 'date' }, 20_455, millisInstant),
    new Date('2026-01-02'),
  );
  assert.equal(await one('count', { type: 'int', logicalType: 'time-millis' }, 5, int32), 5);
  assert.equal(await one('millis', long('timestamp-millis'), 5, int64), 5);
  const price = { type: 'bytes', logicalType: 'decimal', precision: 9, scale: 2 };
  assert.deepEqual(
    await one('dec', price, Buffer.from([0xff, 0x38]), decimal),
    new Decimal(-200n, 2),
  );
  const wide = {
    type: 'fixed',
    name: 'P',
    size: 4,
    logicalType: 'decimal',
    precision: 9,
    scale: 2,
  };
  assert.deepEqual(
    await one('dfix', wide, Buffer.from([0, 0, 1, 0]), decimal),
    new Decimal(256n, 2),
  );
  const uuid = { type: 'fixed', name: 'U', size: 16, logicalType: 'uuid' };
  assert.equal(
    await one('uuid', uuid, Buffer.from('00112233445566778899aabbccddeeff', 'hex'), string),
    '00112233-4455-6677-8899-aabbccddeeff',
  );
  await assert.rejects(one('fine', long('timestamp-micros'), 1, millisInstant), {
    code: 'ROW_MISMATCH',
    message: /block 1, record 1, field x: .* is finer than a millisecond/,
  });
});

test('whole numbers of 64 bits are read without loss, or refused', async () => {
  const zigzag = [[2n], [2n ** 64n - 1n], [2n ** 54n], [2n ** 54n - 2n], [2n ** 54n - 3n]].map(
    ([raw]) => {
      const parts: number[] = [];
      for (let rest = raw!; ; rest >>= 7n) {
        parts.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
        if (rest <= 0x7fn) return Buffer.from(parts);
      }
    },
  );
  const path = file(
    'long.avro',
    Buffer.concat([header(recordOf({ n: 'long' })), block(5, Buffer.concat(zigzag))]),
  );
  const expected = [1n, -(2n ** 63n), 2n ** 53n, 2n ** 53n - 1n, -(2n ** 53n - 1n)];
  assert.deepEqual(
    await rowsOf(path, { schema: row({ n: bigint64 }) }),
    expected.map((n) => ({ n })),
  );
  await assert.rejects(rowsOf(path, { schema: row({ n: int64 }) }), {
    code: 'INT64_OUT_OF_RANGE',
    message: /long\.avro, block 1, record 2, field n: .*-9223372036854775808.*outside the integers/,
  });
  const { good, bad } = await both(path, row({ n: float64 }));
  assert.deepEqual(good, [{ n: 1 }, { n: 2 ** 53 - 1 }, { n: -(2 ** 53 - 1) }]);
  assert.deepEqual(
    bad.map(({ record }) => record),
    ['{"n":-9223372036854775808}', '{"n":9007199254740992}'],
  );
});

test('records that do not fit are set aside with file, block, record and field', async () => {
  const schema = recordOf({ id: 'long', tags: { type: 'array', items: ['null', 'string'] } });
  const values = ids(5).map(({ id }) => ({ id, tags: id === 3 ? ['a', null] : ['b'] }));
  const path = avroFile('bad.avro', schema, values, { perBlock: 2 });
  const { good, bad } = await both(path, row({ id: int64, tags: array(string) }));
  assert.deepEqual(
    good.map(({ id }) => id),
    [0, 1, 2, 4],
  );
  assert.deepEqual(bad, [
    {
      path,
      line: 4,
      column: 'tags[1]',
      record: '{"id":3,"tags":["a",null]}',
      errorType: 'ROW_MISMATCH',
      message: `${path}, block 2, record 4, field tags[1]: it is null`,
    },
  ]);
});

test('records come with their file, and with their number', async () => {
  const path = numbers('three.avro', 3, 2);
  const seen: unknown[] = [];
  const schema = row({ id: int64 });
  await createRunner({ progress: false }).run((root) => {
    root
      .apply(readFromAvro(path, { schema }).withPosition())
      .map(({ key, value }) => void seen.push(`${key.path === path} ${key.line} ${value.id}`));
    root
      .apply(readFromAvro(path, { schema }).withFilename())
      .map(({ key, value }) => void seen.push(`${key === path} ${value.id}`));
  });
  assert.deepEqual(seen.sort(), ['true 0', 'true 1', 'true 1 0', 'true 2', 'true 2 1', 'true 3 2']);
});

test('each block is of one range, however small the ranges are', async () => {
  for (const perBlock of [1, 7, 60]) {
    const path = numbers(`blocks-${perBlock}.avro`, 60, perBlock);
    for (const splitBytes of [5, 16, 17, 100, 1_000_000]) {
      const rows = await rowsOf(path, { schema: row({ id: int32 }), splitBytes });
      assert.deepEqual(
        rows.map(({ id }) => id).sort((a, b) => a - b),
        ids(60).map(({ id }) => id),
        `${perBlock} ${splitBytes}`,
      );
    }
  }
});

test('files that come in a PCollection', async () => {
  const path = numbers('all.avro', 3);
  const seen: number[] = [];
  await createRunner({ progress: false }).run((root) => {
    root
      .apply(create([path]))
      .apply(readAllFromAvro({ schema: row({ id: int64 }) }))
      .map(({ id }) => void seen.push(id));
  });
  assert.deepEqual(seen.sort(), [0, 1, 2]);
});

test('a file without records gives none', async () => {
  assert.deepEqual(await rowsOf(numbers('none.avro', 0), { schema: row({ id: int64 }) }), []);
});

test('what a file has otherwise is told before a record is read', async () => {
  const schema = {
    id: 'long',
    text: 'string',
    at: { type: 'long', logicalType: 'timestamp-millis' },
    either: ['null', 'string', 'int'],
    part: recordOf({ n: 'int' }, 'P'),
  };
  const value = { id: 1, text: 'a', at: 1, either: null, part: { n: 1 } };
  const path = avroFile('other.avro', recordOf(schema), [value]);
  const cases: [SchemaType, RegExp][] = [
    [row({ missing: int64 }), /other\.avro: it has no field missing/],
    [row({ part: row({ m: int64 }) }), /it has no field part\.m/],
    [row({ text: int64 }), /its field text is string, and declared int64/],
    [row({ id: millisInstant }), /its field id is long, and declared millis_instant/],
    [row({ at: string }), /its field at is long \(timestamp-millis\), and declared string/],
    [
      row({ either: nullable(string) }),
      /either is a union of null, string and int, and declared nullable<string>|either is a union of null, string and int, and declared string/,
    ],
    [row({ part: int64 }), /its field part is record P, and declared int64/],
    [row({ part: row({ n: string }) }), /its field part\.n is int, and declared string/],
    [row({ id: array(int64) }), /its field id is long, and declared array<int64>/],
  ];
  for (const [type, message] of cases)
    await assert.rejects(rowsOf(path, { schema: type as never }), {
      code: 'HEADER_MISMATCH',
      message,
    });
  const texts = avroFile('texts.avro', 'string', ['a']);
  await assert.rejects(rowsOf(texts, { schema: row({ id: int64 }) }), {
    code: 'HEADER_MISMATCH',
    message: /texts\.avro: it is string, and declared a row/,
  });
});

test('another schema in the second file is told with its name', async () => {
  numbers('many/a.avro', 2);
  avroFile('many/b.avro', recordOf({ id: 'string' }), [{ id: 'x' }]);
  const path = file('many/c.txt', '').replace('c.txt', '*.avro');
  await assert.rejects(rowsOf(path, { schema: row({ id: int64 }) }), {
    code: 'HEADER_MISMATCH',
    message: /b\.avro: its field id is string, and declared int64/,
  });
});

test('a file that was cut is never read as a whole one', async () => {
  const all = avroBytes(recordOf({ id: 'long' }), ids(1000), { perBlock: 100, codec: 'deflate' });
  const cuts = Array.from({ length: 10 }, (_, tenth) => Math.floor((all.length * tenth) / 10));
  for (const length of [...cuts, all.length - 1, all.length - 16, all.length - 17]) {
    const path = file(`cut-${length}.avro`, all.subarray(0, length));
    for (const splitBytes of [100, 1_000_000])
      await assert.rejects(
        rowsOf(path, { schema: row({ id: int64 }), splitBytes }),
        {
          code: 'MALFORMED_DATA',
          message: /is no Avro file|has no end|block \d+: it is not whole/,
        },
        `${length}`,
      );
  }
});

test('what is no Avro file, and what is damaged', async () => {
  const schema = row({ id: int64 });
  const of = recordOf({ id: 'long' });
  const good = block(1, Buffer.from([2]));
  const cases: [string, Buffer, RegExp][] = [
    ['text', Buffer.from('id\n1\n'), /is no Avro file/],
    ['gzip', gzipSync(avroBytes(of, ids(1))), /is no Avro file.*decompress it first/s],
    [
      'json',
      Buffer.concat([
        Buffer.from('Obj\x01', 'latin1'),
        Buffer.from([2, 22]),
        Buffer.from('avro.schema'),
        Buffer.from([2]),
        Buffer.from('{'),
        Buffer.from([0]),
        MARKER,
      ]),
      /its schema cannot be read/,
    ],
    [
      'type',
      header(recordOf({ id: 'integer' })),
      /its schema cannot be read: there is no type integer/,
    ],
    [
      'marker',
      Buffer.concat([header(of), good, block(1, Buffer.from([2]), 'null', Buffer.alloc(16))]),
      /block 2: its end is not where it says/,
    ],
    [
      'behind',
      Buffer.concat([header(of), good, block(1, Buffer.from([2, 2]))]),
      /block 2: it has 1 bytes behind its 1 records/,
    ],
    [
      'short',
      Buffer.concat([header(of), block(2, Buffer.from([2, 0x80]))]),
      /block 1, record 2: a whole number has no end/,
    ],
    [
      'count',
      Buffer.concat([header(of), block(2 ** 40, Buffer.from([2]))]),
      /block 1: it says that it has 1099511627776 records in 1 bytes/,
    ],
    [
      'codec',
      Buffer.concat([header(of, 'deflate'), block(1, Buffer.from([7, 7, 7]))]),
      /block 1: it cannot be decompressed \(deflate\)/,
    ],
  ];
  for (const [name, contents, message] of cases) {
    const path = file(`damaged-${name}.avro`, contents);
    await assert.rejects(rowsOf(path, { schema }), { code: 'MALFORMED_DATA', message });
  }
  const path = file('brotli.avro', header(of, 'brotli'));
  await assert.rejects(rowsOf(path, { schema }), {
    code: 'UNSUPPORTED',
    message: /blocks are compressed as brotli/,
  });
});

test('lengths beyond the end take no memory and no time', async () => {
  const lists = recordOf({ x: { type: 'array', items: 'int' } });
  const nulls = recordOf({ x: { type: 'array', items: 'null' } });
  const huge = Buffer.from([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x08, 0]);
  for (const [name, of, type] of [
    ['ints', lists, array(int64)],
    ['nulls', nulls, array(nullable(int64))],
  ] as const) {
    const path = file(`huge-${name}.avro`, Buffer.concat([header(of), block(1, huge)]));
    await assert.rejects(rowsOf(path, { schema: row({ x: type }) as never }), {
      code: 'MALFORMED_DATA',
      message: /block 1, record 1: a length is beyond the end of its bytes/,
    });
  }
  const text = file(
    'huge-text.avro',
    Buffer.concat([header(recordOf({ x: 'string' })), block(1, huge)]),
  );
  await assert.rejects(rowsOf(text, { schema: row({ x: string }) }), { code: 'MALFORMED_DATA' });
});

test('a text that is no UTF-8 is no text', async () => {
  const path = file(
    'latin.avro',
    Buffer.concat([header(recordOf({ x: 'string' })), block(2, Buffer.from([2, 0xe4, 2, 97]))]),
  );
  const { good, bad } = await both(path, row({ x: string }));
  assert.deepEqual(good, [{ x: 'a' }]);
  assert.match(bad[0]!.message, /record 1, field x: it is no UTF-8 text/);
});

test('a value with itself in it many times ends no program', async () => {
  const self = {
    type: 'record',
    name: 'L',
    fields: [
      { name: 'n', type: 'int' },
      { name: 'next', type: ['null', 'L'] },
    ],
  };
  const depth = 200_000;
  const data = Buffer.alloc(depth * 2 + 2);
  for (let at = 0; at < depth; at++) data[at * 2 + 1] = 2;
  const path = file('deep.avro', Buffer.concat([header(self), block(1, data)]));
  await assert.rejects(rowsOf(path, { schema: row({ n: int32 }) }), {
    code: 'UNSUPPORTED',
    message: /record 1: it is nested too deep/,
  });
});

test('types that Avro has no values for, and options that are none', () => {
  const reading = (options: unknown) => () => readFromAvro('a.avro', options as never);
  assert.throws(reading({ schema: row({ t: tensor(float32, [2]) }) }), {
    code: 'INVALID_SCHEMA',
    message: /field t is declared tensor<float32, \[2\]>/,
  });
  assert.throws(reading({ schema: row({ t: row({ m: map(int64, string) }) }) }), {
    code: 'INVALID_SCHEMA',
    message: /field t\.m/,
  });
  assert.throws(reading({ schema: string }), { code: 'INVALID_SCHEMA' });
  assert.throws(reading({ schema: row({ a: string }), scheme: 1 }), { code: 'INVALID_ARGUMENT' });
});

test('a type is inferred from the schema', async () => {
  const schema = recordOf({
    id: 'long',
    note: ['null', 'string'],
    at: { type: 'long', logicalType: 'timestamp-micros' },
    kind: { type: 'enum', name: 'K', symbols: ['A', 'B'] },
    either: ['string', 'int'],
    parts: { type: 'array', items: recordOf({ n: 'int' }, 'P') },
    counts: { type: 'map', values: 'double' },
  });
  const path = avroFile('infer.avro', schema, []);
  assert.equal(
    await inferAvroType(path),
    `import { array, bigint64, enumeration, float64, int32, map, microsInstant, nullable, row, string } from 'beambridge/schema';

const record = row({
  id: bigint64,
  note: nullable(string),
  at: microsInstant,
  kind: enumeration(['A', 'B']),
  // either is a union of string and int, which no type is declared for
  parts: array(row({
    n: int32,
  })),
  counts: map(string, float64),
});
`,
  );
});
