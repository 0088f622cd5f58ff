// SPDX-License-Identifier: Apache-2.0
// CSV files to typed rows, on the node runner in this process: what RFC 4180 says, what types make of cells, and what
// is refused with file, line and column.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { BeamBridgeError, createRunner } from '../../../../src/index.ts';
import {
  type FailedRecord,
  type ReadCsvOptions,
  readAllFromCsv,
  readFromCsv,
  watchFiles,
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
  int64,
  microsInstant,
  millisInstant,
  nullable,
  row,
  string,
  typedArray,
} from '../../../../src/schema/index.ts';
import { create } from '../../../../src/transforms/index.ts';
import { readRows } from '../../../helpers/row-files.ts';
import { file } from '../scratch.ts';

const rowsOf = <T>(path: string | string[], options: ReadCsvOptions<T>) =>
  readRows<T>(readFromCsv(path, options));

async function bothOf<T>(path: string, options: ReadCsvOptions<T>) {
  const rows: T[] = [];
  const bad: FailedRecord[] = [];
  await createRunner().run((root) => {
    const { records, failed } = root.apply(readFromCsv(path, options).withBadRecords());
    records.map((one) => void rows.push(one));
    failed.map((one) => void bad.push(one));
  });
  return { rows, bad };
}

/** What a read is refused with. */
async function refused(
  code: string,
  message: RegExp,
  path: string | string[],
  options: ReadCsvOptions<never>,
): Promise<void> {
  await assert.rejects(
    async () => rowsOf(path, options),
    (error) => {
      assert.ok(error instanceof BeamBridgeError, String(error));
      assert.equal(error.code, code, error.message);
      assert.match(error.message, message);
      return true;
    },
  );
}

const pair = row({ a: string, b: string });
const one = row({ a: string });
const any = (schema: unknown) => ({ schema }) as ReadCsvOptions<never>;

test('cells in quotes hold delimiters, doubled quotes and newlines of either kind', async () => {
  const path = file(
    'quotes.csv',
    'a,b\r\n"x,""y""","1\r\n2\n3"\r\nplain,"" \r\n'.replace('"" ', '""'),
  );
  assert.deepEqual(await rowsOf(path, { schema: pair }), [
    { a: 'x,"y"', b: '1\r\n2\n3' },
    { a: 'plain', b: '' },
  ]);
});

test('the last line may lack its end, blank lines are none, and a byte order mark is left out', async () => {
  const path = file('ends.csv', '\ufeffa,b\n\n1,2\r\n\r\n3,"4"');
  assert.deepEqual(await rowsOf(path, { schema: pair }), [
    { a: '1', b: '2' },
    { a: '3', b: '4' },
  ]);
  assert.deepEqual(await rowsOf(file('one.csv', 'a\nx\n\n""\n'), { schema: one }), [
    { a: 'x' },
    { a: '' },
    { a: '' },
  ]);
});

test('delimiter, quote, comments and lines before the header are as the options say', async () => {
  const path = file('dialect.csv', "made by hand\n# note; '\na;b\n'1;''2';3\n#4;5\n");
  assert.deepEqual(
    await rowsOf(path, {
      schema: pair,
      delimiter: ';',
      quote: "'",
      comment: '#',
      skipHeaderLines: 1,
    }),
    [{ a: "1;'2", b: '3' }],
  );
  assert.deepEqual(
    await rowsOf(file('wide.csv', 'a||b\n5" pipe||"x\n'), {
      schema: pair,
      delimiter: '||',
      quote: null,
    }),
    [{ a: '5" pipe', b: '"x' }],
  );
});

test('cells are what their declared type says, never what they look like', async () => {
  const schema = row({
    text: string,
    whole: int64,
    big: bigint64,
    short: int16,
    single: float32,
    double: float64,
    yes: boolean,
    kind: enumeration(['x', 'y']),
    price: decimal,
    at: millisInstant,
    fine: microsInstant,
  });
  const header = 'text,whole,big,short,single,double,yes,kind,price,at,fine\n';
  const path = file(
    'types.csv',
    `${header}007, -12 ,9007199254740993,5.0,0.1,-1e3,TRUE,x,12.50,2024-02-29,2024-01-01 01:02:03.000004+01:00\n`,
  );
  const [found] = await rowsOf(path, { schema });
  assert.deepEqual(
    { ...found, price: `${found!.price}`, fine: `${found!.fine}` },
    {
      text: '007',
      whole: -12,
      big: 9007199254740993n,
      short: 5,
      single: Math.fround(0.1),
      double: -1000,
      yes: true,
      kind: 'x',
      price: '12.50',
      at: new Date('2024-02-29T00:00:00Z'),
      fine: '2024-01-01T00:02:03.000004Z',
    },
  );
  assert.ok(found!.price instanceof Decimal);
});

for (const [type, name, cells] of [
  [int64, 'int64', ['', ' ', '1.5', '0x10', '1e3', '12a', '9007199254740993', '--1', 'NaN', '１']],
  [int16, 'int16', ['32768', '-32769', '1_000']],
  [bigint64, 'bigint64', ['9223372036854775808', '1.5', '']],
  [
    float64,
    'float64',
    ['', '0x10', '0b1', '1,5', 'NA', '1e999', '1 2', '\u00a05', '.', '1e', '+-1'],
  ],
  [float32, 'float32', ['1e39', '16777217', 'x']],
  [boolean, 'boolean', ['1', 'yes', '', 't', 'constructor']],
  [decimal, 'decimal', ['', '1,5', 'Infinity', '1e999999']],
  [
    millisInstant,
    'time',
    [
      '',
      '2024-02-30',
      '2024-13-01',
      '1.1.2024',
      '1700000000',
      '2024-01-01T25:00',
      '2024-01-01T00:00:00.0001Z',
      '2024-01-01T00:00+25:00',
    ],
  ],
  [microsInstant, 'time', ['2024-01-01T00:00:00.0000001Z']],
  [enumeration(['x', 'y']), 'one of', ['z', '', 'X']],
] as const) {
  test(`what is no ${name} is refused, with its line and column: ${cells.join(' | ')}`, async () => {
    for (const cell of cells) {
      const path = file('cells.csv', `id,cell\n1,"${cell}"\n`);
      const { bad, rows } = await bothOf(path, any(row({ cell: type })));
      assert.deepEqual([rows, bad.length], [[], 1], cell);
      const [{ line, column, record, errorType, message }] = bad as [FailedRecord];
      assert.deepEqual([line, column, record], [2, 'cell', `1,"${cell}"`]);
      assert.match(errorType, /^(ROW_MISMATCH|INT64_OUT_OF_RANGE)$/);
      assert.match(message, /cells\.csv, line 2, column "cell" \(2\): /);
    }
  });
}

test('numbers have signs, exponents, nan and inf', async () => {
  const texts = ['+1', '-0', '.5', '5.', '1E-2', 'nan', '-inf', 'Infinity', ' 7 ', '1e308'];
  const path = file('floats.csv', `x\n${texts.join('\n')}\n`);
  const found = await rowsOf(path, { schema: row({ x: float64 }) });
  assert.deepEqual(
    found.map(({ x }) => x),
    [1, -0, 0.5, 5, 0.01, NaN, -Infinity, Infinity, 7, 1e308],
  );
});

test('missing values are null where the type may be, and texts in quotes are texts', async () => {
  const schema = row({ s: nullable(string), n: nullable(float64), must: string });
  const path = file('nulls.csv', 's,n,must\n,,\nNA,NA,NA\n"","","NA"\n"NA","NA",x\n');
  assert.deepEqual(await rowsOf(path, { schema, nulls: ['', 'NA'] }), [
    { s: null, n: null, must: '' },
    { s: null, n: null, must: 'NA' },
    { s: '', n: null, must: 'NA' },
    { s: 'NA', n: null, must: 'x' },
  ]);
});

test('several columns are one array: by pattern, by a list, by places', async () => {
  const path = file('pixels.csv', 'label,pixel1,pixel2,other,pixel3\n7,1,2,x,3\n');
  const schema = row({ label: int64, pixels: typedArray('float32') });
  assert.deepEqual(await rowsOf(path, { schema, columns: { pixels: /^pixel/g } }), [
    { label: 7, pixels: Float32Array.of(1, 2, 3) },
  ]);
  const lists = row({ pixels: array(nullable(int64)) });
  assert.deepEqual(await rowsOf(path, { schema: lists, columns: { pixels: ['pixel3', 1] } }), [
    { pixels: [3, 1] },
  ]);
  assert.deepEqual(await rowsOf(path, { schema: lists, columns: { pixels: { from: 1, to: 3 } } }), [
    { pixels: [1, 2] },
  ]);
});

test('without a header columns are known by their places', async () => {
  const path = file('bare.csv', '7,1,2\n8,3,4\n');
  const schema = row({ label: int64, pixels: array(int64) });
  assert.deepEqual(
    await rowsOf(path, { schema, header: false, columns: { pixels: { from: 1 } } }),
    [
      { label: 7, pixels: [1, 2] },
      { label: 8, pixels: [3, 4] },
    ],
  );
  const first = row({ x: string, y: string, z: string });
  assert.deepEqual((await rowsOf(path, { schema: first, header: false }))[1], {
    x: '8',
    y: '3',
    z: '4',
  });
  assert.deepEqual(await rowsOf(file('empty.csv', ''), { schema: first, header: false }), []);
});

test('files are read in gzip, latin1 and UTF-16 of either order', async () => {
  const text = 'a,b\nÄ,"ö\nü"\n';
  const swapped = (bytes: Buffer) => Buffer.from(bytes).swap16();
  const le = Buffer.from(`\ufeff${text}`, 'utf16le');
  const wanted = [{ a: 'Ä', b: 'ö\nü' }];
  const read = (path: string, encoding: 'utf8' | 'latin1' | 'utf16le' | 'utf16be') =>
    rowsOf(path, { schema: pair, encoding });
  assert.deepEqual(await read(file('z.csv.gz', gzipSync(text)), 'utf8'), wanted);
  assert.deepEqual(await read(file('l.csv', Buffer.from(text, 'latin1')), 'latin1'), wanted);
  assert.deepEqual(await read(file('le.csv', le), 'utf16le'), wanted);
  assert.deepEqual(await read(file('be.csv', swapped(le)), 'utf16be'), wanted);
  const options = { schema: pair, encoding: 'utf16be' } as never;
  await refused('MALFORMED_DATA', /encoding: 'utf16le'/, file('le.csv', le), options);
  const cut = file('cut.csv', le.subarray(0, le.length - 1));
  await refused('MALFORMED_DATA', /no|not all utf-16le/, cut, {
    schema: pair,
    encoding: 'utf16le',
  } as never);
  await refused(
    'MALFORMED_DATA',
    /is not all UTF-8/,
    file('l.csv', Buffer.from(text, 'latin1')),
    any(pair),
  );
});

test('a header that lacks a column or has one twice is refused before a row is read', async () => {
  await refused(
    'HEADER_MISMATCH',
    /no column "b".*The header has "a", "c"/s,
    file('h.csv', 'a,c\nx\n'),
    any(pair),
  );
  await refused('HEADER_MISMATCH', /two columns "b"/, file('h.csv', 'a,b,b\nx\n'), any(pair));
  await refused('HEADER_MISMATCH', /the file is empty/, file('h.csv', ''), any(pair));
  await refused('HEADER_MISMATCH', /the file is empty/, file('h.csv', '\n\n'), any(pair));
  await refused('HEADER_MISMATCH', /the file is empty/, file('h.csv.gz', gzipSync('')), any(pair));
  const pixels = { schema: row({ p: array(int64) }), columns: { p: /^p/ } };
  await refused('HEADER_MISMATCH', /no column matches/, file('h.csv', 'a,b\n'), pixels as never);
  await refused('HEADER_MISMATCH', /two columns "p1"/, file('h.csv', 'p1,p1\n'), pixels as never);
  const bare = { schema: pair, header: false } as never;
  await refused('HEADER_MISMATCH', /no column 2 for b: there are 1/, file('h.csv', 'x\n'), bare);
});

test('a column that nobody asks for may be there twice', async () => {
  assert.deepEqual(await rowsOf(file('twice.csv', 'x,a,x\n1,2,3\n'), { schema: one }), [
    { a: '2' },
  ]);
});

test('a second file with other columns is refused before a row is read', async () => {
  const first = file('same/1.csv', 'a,b\nnot,read\n');
  const paths = (text: string) => [first, file('same/2.csv', text)];
  const message = /2\.csv: column 1 is "b", and "a" in .*1\.csv/;
  await refused('HEADER_MISMATCH', message, paths('b,a\n'), any(pair));
  await refused('HEADER_MISMATCH', /there are 3 columns, and 2 in/, paths('a,b,c\n'), any(pair));
  await refused('HEADER_MISMATCH', /2\.csv.*the file is empty/, paths(''), any(pair));
});

test('records of another length are told with their line', async () => {
  const path = file('ragged.csv', 'a,b\n"1\n",2\n3\n4,5,6\n7,8\n');
  const { rows, bad } = await bothOf(path, any(pair));
  assert.deepEqual(rows, [
    { a: '1\n', b: '2' },
    { a: '7', b: '8' },
  ]);
  assert.deepEqual(
    bad.map(({ line, column, record }) => [line, column, record]),
    [
      [4, null, '3'],
      [5, null, '4,5,6'],
    ],
  );
  await refused(
    'ROW_MISMATCH',
    /ragged\.csv, line 4: the record has 1 cell, and the header has 2/,
    path,
    any(pair),
  );
});

test('a quote where RFC 4180 has none is refused', async () => {
  const path = file('stray.csv', 'a,b\n5" pipe,x\n1, "2"\n');
  const { rows, bad } = await bothOf(path, any(pair));
  assert.deepEqual([rows, bad.map(({ line }) => line)], [[], [2, 3]]);
  await refused('MALFORMED_DATA', /line 2: a quote is inside cell 1/, path, any(pair));
});

test('where nobody can say where records end, dead letters do not help', async () => {
  for (const [text, message] of [
    [
      'a,b\n1,"2\n3,4\n',
      /line 2: a quote is opened in the record that begins here, and the file ends inside it/,
    ],
    ['a,b\n1,2\n"3"x,4\n', /line 3: behind the quote that ends cell 1 there is "x"/],
  ] as const) {
    const path = file('doubt.csv', text);
    await assert.rejects(bothOf(path, any(pair)), message);
  }
});

test('a file is read in ranges when no cell holds a newline, and each row comes once', async () => {
  const lines = Array.from({ length: 500 }, (_, i) => `${i},"x""${i}"`);
  const path = file('ranges.csv', `a,b\n${lines.join('\n')}\n`);
  for (const splitBytes of [1, 7, 64, 1000]) {
    const rows = await rowsOf(path, { schema: pair, quotedNewlines: false, splitBytes });
    const found = rows.map(({ a }) => Number(a)).sort((x, y) => x - y);
    assert.deepEqual(found, [...lines.keys()], `${splitBytes}`);
    assert.equal(rows.find(({ a }) => a === '499')?.b, 'x"499');
  }
});

test('what is in front of the rows is none of them, wherever the file is cut', async () => {
  const rows = Array.from({ length: 30 }, (_, i) => ({ a: `${i}`, b: 'é' }));
  const lines = rows.map(({ a, b }) => `${a},${b}\n`).join('');
  for (const begin of ['\ufeffby hand,é\nand,more\n# é,x\n\na,b\n', 'x\ny\na,b\n', 'x\ny\n']) {
    const header = begin.includes('a,b');
    for (const encoding of ['utf8', 'latin1'] as const) {
      const text = encoding === 'latin1' ? begin.replace('\ufeff', '') : begin;
      const path = file('begin.csv', Buffer.from(text + lines, encoding));
      for (const splitBytes of [1, 2, 3, 5, 8, 13, 21, 34, 55]) {
        const options = { schema: pair, skipHeaderLines: 2, comment: '#', header, encoding };
        const found = await rowsOf(path, { ...options, quotedNewlines: false, splitBytes });
        assert.deepEqual(
          found.sort((x, y) => Number(x.a) - Number(y.a)),
          rows,
          `${splitBytes}`,
        );
      }
    }
  }
});

test('lines are counted from the beginning of the file in every range', async () => {
  const lines = Array.from({ length: 200 }, (_, i) => (i === 150 ? 'bad' : `${i}`));
  const path = file('counted.csv', `a\n${lines.join('\n')}\n`);
  const { bad } = await bothOf(path, {
    schema: row({ a: int64 }),
    quotedNewlines: false,
    splitBytes: 50,
  });
  assert.deepEqual(
    bad.map(({ line, record }) => [line, record]),
    [[152, 'bad']],
  );
});

test('a newline in quotes that was said not to be there ends the run, with dead letters too', async () => {
  const text = `a,b\n${'1,2\n'.repeat(100)}3,"x\n4,5\ny"\n${'6,7\n'.repeat(100)}`;
  const path = file('contradicted.csv', text);
  for (const splitBytes of [10, 100, 1000]) {
    const options = { schema: pair, quotedNewlines: false, splitBytes };
    await assert.rejects(bothOf(path, options), /line 102: a quote is opened and not closed/);
  }
});

test('records come with their file and line', async () => {
  const path = file('where.csv', 'a,b\n"1\n",2\n3,4\n');
  const named: unknown[] = [];
  const placed: unknown[] = [];
  await createRunner().run((root) => {
    const read = readFromCsv(path, { schema: pair });
    root.apply(read.withFilename()).map((each) => void named.push(each));
    root.apply(read.withPosition()).map((each) => void placed.push(each));
  });
  assert.deepEqual(named, [
    { key: path, value: { a: '1\n', b: '2' } },
    { key: path, value: { a: '3', b: '4' } },
  ]);
  assert.deepEqual(placed, [
    { key: { path, line: 2 }, value: { a: '1\n', b: '2' } },
    { key: { path, line: 4 }, value: { a: '3', b: '4' } },
  ]);
});

test('paths and patterns may come in a PCollection, each with columns of its own', async () => {
  const patterns = [file('all/1.csv', 'a,b\n1,2\n'), file('all/2.csv', 'b,x,a\n4,y,3\nbad\n')];
  const rows: unknown[] = [];
  const bad: unknown[] = [];
  await createRunner().run((root) => {
    const read = readAllFromCsv({ schema: pair }).withFilename().withBadRecords();
    const { records, failed } = root.apply(create(patterns)).apply(read);
    records.map((each) => void rows.push(each));
    failed.map(({ path, line }) => void bad.push([path, line]));
  });
  assert.deepEqual(rows, [
    { key: patterns[0], value: { a: '1', b: '2' } },
    { key: patterns[1], value: { a: '3', b: '4' } },
  ]);
  assert.deepEqual(bad, [[patterns[1], 3]]);
  await assert.rejects(
    createRunner().run((root) =>
      root.apply(create(['/nowhere/*.csv'])).apply(readAllFromCsv({ schema: pair })),
    ),
    { code: 'FILE_NOT_FOUND' },
  );
});

test('files that appear are read as they come', async () => {
  file('inbox/1.csv', 'a,b\n1,2\n');
  const rows: unknown[] = [];
  await createRunner().run((root) => {
    root
      .apply(
        watchFiles(file('inbox/2.csv', 'a,b\n3,4\n').replace('2.csv', '*.csv'), {
          interval: 20,
          stopAfter: 60,
        }),
      )
      .apply(readAllFromCsv({ schema: pair }))
      .map((each) => void rows.push(each));
  });
  assert.equal(rows.length, 2);
});

test('a record that is too long is refused, in one line and in many', async () => {
  const options = { schema: pair, maxRecordBytes: 1000 } as never;
  const message = /line 2.*: the record is longer than maxRecordBytes, 1000/;
  for (const cell of ['x'.repeat(1001), `"${'x\n'.repeat(501)}"`, 'y'.repeat(2_000_000)]) {
    await refused('MALFORMED_DATA', message, file('l.csv', `a,b\n${cell},1\n`), options);
  }
  await refused('MALFORMED_DATA', message, file('l.csv', `a,b\n${'x'.repeat(1001)},1\n`), options);
  await refused('MALFORMED_DATA', message, file('l.csv', `a,b\n${'x'.repeat(600_000)},1`), options);
  assert.equal((await rowsOf(file('l.csv', `a,b\n${'x'.repeat(990)},1\n`), options)).length, 1);
});

test('a file that is cut off is an error, or gives no row that it did not have', async () => {
  const rows = Array.from({ length: 40 }, (_, i) => ({ a: `x"${i}\n`, b: i % 3 ? 'plain' : ',' }));
  const lines = rows.map(({ a, b }) => `"${a.replace('"', '""')}",${b === ',' ? '","' : b}\n`);
  const whole = Buffer.from(`a,b\n${lines.join('')}`);
  const zipped = gzipSync(whole);
  for (let tenth = 1; tenth < 10; tenth++) {
    const path = file('cut.csv', whole.subarray(0, Math.floor((whole.length * tenth) / 10)));
    const found = await rowsOf(path, { schema: pair }).catch((error: BeamBridgeError) => error);
    if (found instanceof BeamBridgeError) {
      assert.match(found.code, /^(MALFORMED_DATA|ROW_MISMATCH)$/);
    } else {
      // Nobody can tell of the last cell, out of quotes, whether it was longer.
      const [last] = found.slice(-1);
      assert.deepEqual(found.slice(0, -1), rows.slice(0, found.length - 1));
      assert.ok(rows[found.length - 1]!.b.startsWith(last!.b));
    }
    const cut = file('cut.csv.gz', zipped.subarray(0, Math.floor((zipped.length * tenth) / 10)));
    await assert.rejects(rowsOf(cut, { schema: pair }), { code: 'MALFORMED_DATA' });
  }
});

test('a file may have 100,000 columns', async () => {
  const names = Array.from({ length: 100_000 }, (_, i) => `c${i}`);
  const path = file(
    'columns.csv',
    `${names.join(',')}\n${names.map((_, i) => i % 10).join(',')}\n`,
  );
  const [found] = await rowsOf(path, {
    schema: row({ c99999: int64, all: typedArray('float32') }),
    columns: { all: /^c/ },
  });
  assert.deepEqual([found?.c99999, found?.all.length, found?.all[12]], [9, 100_000, 2]);
});

test('a field may be called anything', async () => {
  const path = file('names.csv', '__proto__,constructor,"a\nb",\n1,2,3,4\n');
  const schema = row({ ['__proto__']: int64, constructor: string, 'a\nb': int64, '': int64 });
  const [found] = await rowsOf(path, { schema: schema as never });
  assert.deepEqual(Object.entries(found!), [
    ['__proto__', 1],
    ['constructor', '2'],
    ['a\nb', 3],
    ['', 4],
  ]);
});

test('options and types that cannot be are refused where they are given', () => {
  const bad = (options: object, message: RegExp, schema: unknown = pair) =>
    assert.throws(() => readFromCsv('x.csv', { schema, ...options } as never), message);
  bad({ headers: true }, /Did you mean header/);
  bad({ delimiter: '' }, /delimiter/);
  bad({ delimiter: '"' }, /holds the quote/);
  bad({ quote: '""' }, /one character, or null/);
  bad({ comment: '"' }, /comment/);
  bad({ nulls: 'NA' }, /list of texts/);
  bad({ encoding: 'utf-7' }, /'utf16le'/);
  bad({ maxRecordBytes: 2 ** 30 }, /maxRecordBytes/);
  bad({ columns: { c: 'x' } }, /names the field c/);
  bad({ columns: { a: 'x' }, header: false }, /has no names/);
  bad({ columns: { a: /x/ } }, /declare it one/);
  bad({ columns: { a: -1 } }, /place, counted from 0/);
  bad({}, /says nothing of the array p/, row({ p: array(int64) }));
  bad({}, /cell of CSV cannot hold/, row({ p: bytes }));
  bad({}, /cell of CSV cannot hold/, row({ p: row({ x: int64 }) }));
  bad({}, /schema is string/, string);
  bad({}, /schema is null/, null);
  bad({}, /schema is row\{\}/, row({}));
  assert.throws(() => readFromCsv([], { schema: pair }), /no patterns/);
});

test('whatever cells hold, they come out as they were', async () => {
  const cell = fc.oneof(
    fc.string({ unit: fc.constantFrom('a', ',', '"', '\n', '\r', 'é', ' ', '#'), maxLength: 6 }),
    fc.string({ unit: 'grapheme', maxLength: 8 }),
  );
  const table = fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(table, fc.constantFrom('\n', '\r\n'), fc.boolean(), async (rows, end, all) => {
      const text = rows
        .map((cells) =>
          cells
            .map((c) => (all || /[",\r\n]/.test(c) ? `"${c.replaceAll('"', '""')}"` : c))
            .join(','),
        )
        .join(end);
      const path = file('any.csv', `a,b${end}${text}${end}`);
      const found = await rowsOf(path, { schema: pair });
      assert.deepEqual(
        found,
        rows.map(([a, b]) => ({ a, b })),
      );
    }),
    { numRuns: 60 },
  );
});

test('a text for null may have spaces around it where the field is no text', async () => {
  const schema = row({ a: nullable(float64), b: nullable(string) });
  const rows = await rowsOf(file('nulls.csv', 'a,b\n NA ,NA\n ,x\n1, NA\n'), {
    schema,
    nulls: ['', 'NA'],
  });
  assert.deepEqual(rows, [
    { a: null, b: null },
    { a: null, b: 'x' },
    { a: 1, b: ' NA' },
  ]);
});

test('behind a quote where none can be, an opened one ends the run: it would swallow good rows', async () => {
  const schema = row({ a: string, b: string, c: string });
  const path = file('swallow.csv', 'a,b,c\n1, "Hi,",2\n3,4,5\n6,7,x"\n8,9,10\n');
  await assert.rejects(bothOf(path, { schema }), { code: 'MALFORMED_DATA', message: /line 2/ });
});

test('a carriage return alone is refused wherever it stands outside of quotes', async () => {
  for (const text of ['x\ry,"z"\n', 'p\rq,z\n', '1,2\r3,4\r5,"6"']) {
    const path = file('returns.csv', text);
    const options = { schema: row({ a: string, b: string }), header: false } as never;
    await refused('MALFORMED_DATA', /carriage return/, path, options);
  }
});

test('readAllFromCsv takes columns by their names alone: files that come one by one are not compared', async () => {
  const schema = row({ px: array(float64) });
  for (const px of [/^px/, [0, 1], { from: 0 }, { from: 0, to: 2 }]) {
    assert.throws(() => readAllFromCsv({ schema, columns: { px } }), {
      code: 'INVALID_ARGUMENT',
      message: /columns\.px is/,
    });
  }
  assert.throws(() => readAllFromCsv({ schema, header: false, columns: { px: { from: 0 } } }), {
    code: 'INVALID_ARGUMENT',
  });
  readAllFromCsv({ schema, header: false, columns: { px: { from: 0, to: 2 } } });
  const rows: unknown[] = [];
  const paths = [file('one.csv', 'px0,px1\n1,2\n'), file('two.csv', 'px1,px0\n2,1\n')];
  await createRunner().run((root) => {
    root
      .apply(create(paths))
      .apply(readAllFromCsv({ schema, columns: { px: ['px0', 'px1'] } }))
      .map((one) => void rows.push(one.px));
  });
  assert.deepEqual(rows, [
    [1, 2],
    [1, 2],
  ]);
});

test('a decimal comma is named where a number is wanted', async () => {
  const schema = row({ price: float64, count: int64 });
  for (const [line, hint] of [
    ['2,5;1', /decimal comma/],
    ['1.234,5;1', /decimal comma/],
    ['1;2,0', /decimal comma/],
    ['a,5;1', /with nulls/],
  ] as const) {
    const path = file('comma.csv', `price;count\n${line}\n`);
    await assert.rejects(rowsOf(path, { schema, delimiter: ';' }), { code: 'ROW_MISMATCH', hint });
  }
});
