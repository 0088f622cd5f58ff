// SPDX-License-Identifier: Apache-2.0
// Files of JSON to typed records, on the node runner in this process.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { createRunner } from '../../../../src/index.ts';
import {
  type FailedRecord,
  type ReadJsonOptions,
  readAllFromJson,
  readFromJson,
} from '../../../../src/io/index.ts';
import { ArrayScanner } from '../../../../src/io/json/array-scanner.ts';
import {
  array,
  bigint64,
  boolean,
  bytes,
  decimal,
  enumeration,
  float32,
  float64,
  int32,
  int64,
  map,
  microsInstant,
  millisInstant,
  nullable,
  row,
  string,
  tensor,
  typedArray,
} from '../../../../src/schema/index.ts';
import { create } from '../../../../src/transforms/index.ts';
import { readRows } from '../../../helpers/row-files.ts';
import { file } from '../scratch.ts';

const recordsOf = <T>(path: string, options: ReadJsonOptions<T>) =>
  readRows<T>(readFromJson(path, options));

async function bothOf<T>(path: string, options: ReadJsonOptions<T>) {
  const good: T[] = [];
  const bad: FailedRecord[] = [];
  await createRunner().run((root) => {
    const { records, failed } = root.apply(readFromJson(path, options).withBadRecords());
    records.map((one) => void good.push(one));
    failed.map((one) => void bad.push(one));
  });
  return { good, bad };
}

const any = (schema: unknown) => ({ schema }) as ReadJsonOptions<never>;
const item = row({ id: int64, note: nullable(string) });

test('each line is a record; blank lines, a mark and CR LF are none of it', async () => {
  const path = file(
    'a.jsonl',
    '\ufeff{"id":1,"note":"x"}\r\n\n \n{"note":null, "id": 2 }\n{"id":3}',
  );
  assert.deepEqual(await recordsOf(path, { schema: item }), [
    { id: 1, note: 'x' },
    { id: 2, note: null },
    { id: 3, note: null },
  ]);
  assert.deepEqual(await recordsOf(file('empty.jsonl', ''), { schema: item }), []);
});

test('values are what their declared type says', async () => {
  const schema = row({
    big: bigint64,
    price: decimal,
    other: decimal,
    x: float64,
    y: float32,
    none: float64,
    yes: boolean,
    kind: enumeration(['a', 'b']),
    at: millisInstant,
    fine: microsInstant,
    raw: bytes,
    inner: row({ list: array(nullable(int64)), vector: typedArray('float32') }),
    by: map(string, int64),
  });
  const text = `{"big":9007199254740993,"price":12.50,"other":"-1e-7","x":0.1e1,"y":0.1,"none":"NaN","yes":true,
    "kind":"b","at":"2024-01-01T00:00:00Z","fine":"1970-01-01T00:00:00.000001Z","raw":"AP8=",
    "inner":{"list":[1,null,1e3],"vector":[1,2.5]},"by":{"k":1,"__proto__":2}}`;
  const path = file('types.jsonl', text.replaceAll('\n', ' '));
  const [found] = await recordsOf(path, { schema });
  assert.deepEqual(
    { ...found, price: `${found!.price}`, other: `${found!.other}`, fine: found!.fine.micros },
    {
      big: 9007199254740993n,
      price: '12.50',
      other: '-0.0000001',
      x: 1,
      y: Math.fround(0.1),
      none: NaN,
      yes: true,
      kind: 'b',
      at: new Date('2024-01-01'),
      fine: 1n,
      raw: Uint8Array.of(0, 255),
      inner: { list: [1, null, 1000], vector: Float32Array.of(1, 2.5) },
      by: new Map([
        ['k', 1],
        ['__proto__', 2],
      ]),
    },
  );
});

test('numbers in texts are texts, also where all digits are kept', async () => {
  const schema = row({ s: string, big: bigint64 });
  const text = '{"s":"\\"1.50, \\\\ 12345678901234567890","big":"-9223372036854775808"}';
  assert.deepEqual(await recordsOf(file('texts.jsonl', text), { schema }), [
    { s: '"1.50, \\ 12345678901234567890', big: -(2n ** 63n) },
  ]);
});

for (const [type, values] of [
  [int64, ['"1"', '1.5', 'null', 'true', '9007199254740993', '[]', '{}']],
  [int32, ['2147483648', '1e10']],
  [bigint64, ['9223372036854775808', '1.5', '"x"', 'null', '12345678901234567.5']],
  [float64, ['"1"', 'null', '1e999', 'true', '"nan"']],
  [float32, ['1e39', '16777217']],
  [string, ['1', 'null', '"\\ud800"', '{}', '["a"]']],
  [boolean, ['1', '"true"', 'null']],
  [decimal, ['"1,5"', 'true', '""']],
  [millisInstant, ['1700000000000', '"1.1.2024"', '"2024-01-01T00:00:00.0001Z"']],
  [bytes, ['"AP8"', '"!"', '"AP8=A"', '[0]'].slice(1)],
  [enumeration(['a']), ['"b"', '1']],
  [array(int64), ['1', '{"0":1}', '[1,"2"]', '[[1]]']],
  [map(string, int64), ['[]', '{"a":null}']],
  [row({ a: int64 }), ['[]', '{}', '{"a":1,"b":2}', '{"a":"x"}']],
] as const) {
  test(`what is no ${type.kind} is refused, with line and field: ${values.join(' ')}`, async () => {
    for (const value of values) {
      const schema = row({ deep: row({ v: type, w: nullable(bigint64) }) });
      const record = `{"deep":{"v":${value},"w":1}}`;
      const { good, bad } = await bothOf(file('wrong.jsonl', `\n${record}\n`), any(schema));
      assert.deepEqual([good, bad.length], [[], 1], value);
      const [{ line, column, record: text, message, errorType }] = bad as [FailedRecord];
      assert.deepEqual([line, text], [2, record]);
      assert.match(column!, /^deep\.v/, value);
      assert.match(message, /wrong\.jsonl, line 2, field deep\.v.*: /);
      assert.match(errorType, /^(ROW_MISMATCH|INT64_OUT_OF_RANGE)$/);
      assert.doesNotMatch(message, /[0-9a-f]{8}-[0-9a-f]{4}/, 'how digits are kept is nobody’s');
    }
  });
}

test('fields are told by their path', async () => {
  const schema = row({ a: array(row({ b: map(string, array(int64)) })) });
  const path = file('path.jsonl', '{"a":[{"b":{}},{"b":{"k":[1,"x"]}}]}');
  const { bad } = await bothOf(path, { schema });
  assert.equal(bad[0]?.column, 'a[1].b.k[1]');
});

test('what is no JSON is one bad record, and the lines around it are good', async () => {
  const path = file('broken.jsonl', '{"id":1}\n{"id":2\n{"id":3}}\n01\n{"id":4}\n{"id":');
  const { good, bad } = await bothOf(path, { schema: item });
  assert.deepEqual(
    good.map(({ id }) => id),
    [1, 4],
  );
  assert.deepEqual(
    bad.map(({ line, errorType }) => [line, errorType]),
    [2, 3, 4, 6].map((line) => [line, 'MALFORMED_DATA']),
  );
});

test('half a surrogate pair in a name or an excerpt keeps no record from being set aside', async () => {
  const texts = [
    '{"\\ud800":1,"id":1}',
    `{"id":1,${'x😀'.repeat(40)}`,
    `{"id":1}${'😀'.repeat(9)}`,
  ];
  const { bad } = await bothOf(file('halves.jsonl', texts.join('\n')), { schema: item });
  assert.deepEqual(
    bad.map(({ record }) => record),
    texts,
  );
});

test('a field that the schema does not have is an error, unless it is to be left out', async () => {
  const path = file('unknown.jsonl', '{"id":1,"note":"x","more":{"y":1}}\n');
  await assert.rejects(
    recordsOf(path, { schema: item }),
    /line 1, field more: the schema has no such field/,
  );
  assert.deepEqual(await recordsOf(path, { schema: item, ignoreUnknownFields: true }), [
    { id: 1, note: 'x' },
  ]);
});

test('lines are read in ranges, and told by their number in the file', async () => {
  const lines = Array.from({ length: 300 }, (_, i) => `{"id":${i === 250 ? '"x"' : i}}`);
  const path = file('ranges.jsonl', lines.join('\n'));
  for (const splitBytes of [1, 50, 1000]) {
    const { good, bad } = await bothOf(path, { schema: item, splitBytes });
    assert.deepEqual(
      good.map(({ id }) => id).sort((a, b) => a - b),
      [...lines.keys()].filter((id) => id !== 250),
    );
    assert.deepEqual(
      bad.map(({ line }) => line),
      [251],
    );
  }
});

test('one array is read row by row, wherever it is cut', async () => {
  const array = '\ufeff [\n {"id":1,"note":"a]},\\""}\n,{"id":2}, {\n"id":3,"note":"\\\\"}]\n\n';
  const wanted = [
    { id: 1, note: 'a]},"' },
    { id: 2, note: null },
    { id: 3, note: '\\' },
  ];
  const options = { schema: item, lines: false };
  assert.deepEqual(await recordsOf(file('a.json', array), options), wanted);
  assert.deepEqual(await recordsOf(file('a.json.gz', gzipSync(array)), options), wanted);
  const utf16 = { ...options, encoding: 'utf16le' as const };
  assert.deepEqual(await recordsOf(file('u.json', Buffer.from(array, 'utf16le')), utf16), wanted);
  assert.deepEqual(await recordsOf(file('none.json', ' [ ] '), options), []);
  const whole = Buffer.from(array.slice(1));
  for (let size = 1; size < 20; size++) {
    const scanner = new ArrayScanner(1000);
    const found = [];
    for (let at = 0; at < whole.length; at += size) {
      found.push(...scanner.push(whole.subarray(at, at + size)));
    }
    scanner.end();
    assert.deepEqual(
      found.map(({ bytes, line }) => [JSON.parse(bytes.toString()).id, line]),
      [
        [1, 2],
        [2, 3],
        [3, 3],
      ],
    );
  }
});

test('what is no array of rows ends the run, with dead letters too', async () => {
  for (const [text, message] of [
    ['', /is empty, and should be an array/],
    [' \n', /line 2: the file is empty/],
    ['{"id":1}\n{"id":2}', /line 1: "\{" is where the array/],
    ['[{"id":1}', /the file ends inside the array/],
    ['[{"id":1},\n{"id":2', /line 2: the file ends inside the array/],
    ['[{"id":1},]', /"\]" is where a row, "\{", should be/],
    ['[{"id":1} {"id":2}]', /"\{" is where "," or "\]" should be/],
    ['[1]', /"1" is where a row/],
    ['[{"id":1}]\n[]', /line 2: "\[" is where nothing should be/],
  ] as const) {
    const path = file('no.json', text);
    await assert.rejects(bothOf(path, { schema: item, lines: false }), message, text);
  }
});

test('an array that is cut off anywhere is an error', async () => {
  const whole = '[{"id":1,"note":"]"},\n{"id":2,"note":"}"}]';
  for (let length = 0; length < whole.length; length++) {
    const path = file('cut.json', whole.slice(0, length));
    const read = bothOf(path, { schema: item, lines: false });
    await assert.rejects(read, { code: 'MALFORMED_DATA' }, whole.slice(0, length));
  }
});

test('a row of an array that does not fit is a bad record', async () => {
  const path = file('bad.json', '[{"id":1},\n{"id":"x"},\n{"id":}]');
  const { good, bad } = await bothOf(path, { schema: item, lines: false });
  assert.deepEqual([good.length, bad.map(({ line }) => line)], [1, [2, 3]]);
});

test('a record that is too long is refused, in a line and in an array', async () => {
  const record = `{"id":1,"note":"${'x'.repeat(3_000_000)}"}`;
  const options = { schema: item, maxRecordBytes: 1000 };
  const message = /line 2.*longer than maxRecordBytes, 1000/s;
  await assert.rejects(bothOf(file('l.jsonl', `{"id":1}\n${record}`), options), message);
  await assert.rejects(
    bothOf(file('l.jsonl', `{"id":1}\n${record.slice(-1500)}\n`), options),
    message,
  );
  await assert.rejects(
    bothOf(file('l.json', `[\n${record}]`), { ...options, lines: false }),
    message,
  );
});

test('bytes that are no UTF-8 are refused', async () => {
  const bytes = Buffer.from('[{"id":1,"note":"ä"}]', 'latin1');
  const path = file('latin1.json', bytes);
  await assert.rejects(
    recordsOf(path, { schema: item, lines: false }),
    /line 1: it is not all UTF-8/,
  );
  const options = { schema: item, lines: false, encoding: 'latin1' as const };
  assert.deepEqual(await recordsOf(path, options), [{ id: 1, note: 'ä' }]);
});

test('paths may come in a PCollection', async () => {
  const path = file('all.jsonl', '{"id":1}\n');
  const found: unknown[] = [];
  await createRunner().run((root) => {
    root
      .apply(create([path]))
      .apply(readAllFromJson({ schema: item }).withPosition())
      .map((one) => void found.push(one));
  });
  assert.deepEqual(found, [{ key: { path, line: 1 }, value: { id: 1, note: null } }]);
});

test('options and types that cannot be are refused where they are given', () => {
  const bad = (options: object, message: RegExp, schema: unknown = item) =>
    assert.throws(() => readFromJson('x', { schema, ...options } as never), message);
  bad({ line: true }, /Did you mean lines/);
  bad({ lines: 'no' }, /lines is string "no"/);
  bad({}, /field a\[\] .*JSON has no value for/, row({ a: array(tensor(float32, [2])) }));
  bad({}, /field a .*JSON has no value for/, row({ a: map(int64, string) }));
});

test('whatever JSON holds comes out as JSON.parse has it', async () => {
  const schema = row({
    s: nullable(string),
    x: nullable(float64),
    list: array(string),
    big: bigint64,
  });
  const record = fc.record(
    {
      s: fc.option(fc.string({ unit: 'grapheme' })),
      x: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
      list: fc.array(
        fc.string({ unit: fc.constantFrom('"', '\\', '1', '.', 'e', '[', '}', '\n') }),
      ),
      big: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    },
    { noNullPrototype: true },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(record, { minLength: 1 }), fc.boolean(), async (records, lines) => {
      const texts = records.map(({ big, x, ...rest }) => {
        const number = Object.is(x, -0) ? '-0' : JSON.stringify(x);
        return `${JSON.stringify(rest).slice(0, -1)},"big":${big},"x":${number}}`;
      });
      const path = file('any.json', lines ? texts.join('\n') : `[${texts.join(',')}]`);
      assert.deepEqual(await recordsOf(path, { schema, lines }), records);
    }),
    { numRuns: 60 },
  );
});

test('numbers of Python that JSON has not are named', async () => {
  const path = file('nan.jsonl', '{"id": 1, "note": "NaN"}\n{"id": NaN, "note": null}\n');
  await assert.rejects(recordsOf(path, { schema: item }), {
    code: 'MALFORMED_DATA',
    hint: /json\.dumps of Python/,
  });
});
