// SPDX-License-Identifier: Apache-2.0
// A type for a CSV file as the text of a program, and that the program reads the file.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRunner } from '../../../../src/index.ts';
import { type InferCsvOptions, inferCsvType, readFromCsv } from '../../../../src/io/index.ts';
import * as types from '../../../../src/schema/index.ts';
import { file } from '../scratch.ts';

async function inferred(text: string, options?: InferCsvOptions): Promise<string> {
  return inferCsvType(file('infer.csv', text), options);
}

/** The declared type that a text gives. */
function made(text: string): types.RowType<Record<string, unknown>> {
  const [, names, body] =
    /^import \{ (.*) \} from 'beambridge\/schema';\n\nconst record = (.*);\n$/s.exec(text)!;
  return new Function(...names!.split(', '), `return ${body}`)(
    ...names!.split(', ').map((name) => (types as Record<string, unknown>)[name]),
  );
}

test('columns have the narrowest type that all cells of the sample have', async () => {
  const text = await inferred(
    [
      'name,code,n,big,x,mixed,yes,day,time,fine,gap,none,"a ""b"" \'c\'",__proto__',
      'a,007,1,9007199254740993,1.0,1,true,2024-01-01,2024-01-01 12:00,2024-01-01T00:00:00.000001,1,,x,1',
      'b,110,-2,1,nan,1e3,FALSE,2024-12-31,2024-01-01T00:00Z,2024-01-01,,,y,2',
    ].join('\n'),
  );
  assert.equal(
    text,
    `import { bigint64, boolean, float64, int64, microsInstant, millisInstant, nullable, row, string } from 'beambridge/schema';

const record = row({
  name: string,
  code: string,
  n: int64,
  big: bigint64,
  x: float64,
  mixed: float64,
  yes: boolean,
  day: millisInstant,
  time: millisInstant,
  fine: microsInstant,
  gap: nullable(int64),
  none: nullable(string),
  'a "b" \\'c\\'': string,
  ['__proto__']: int64,
});
`,
  );
});

test('the type that is told reads the file that it was told of', async () => {
  const path = file('told.csv', `id;"it's"\n1;x\n2;NA\n`);
  const schema = made(await inferCsvType(path, { delimiter: ';', nulls: ['NA'] }));
  const rows: unknown[] = [];
  await createRunner().run((root) => {
    root
      .apply(readFromCsv(path, { schema, delimiter: ';', nulls: ['NA'] }))
      .map((one) => void rows.push(one));
  });
  assert.deepEqual(rows, [
    { id: 1, "it's": 'x' },
    { id: 2, "it's": null },
  ]);
});

test('many columns of one name and a number are an array', async () => {
  const names = Array.from({ length: 20 }, (_, i) => `pixel.${i}`);
  const cells = names.map((_, i) => (i === 7 ? '0.5' : '1'));
  const text = await inferred(`label,${names},q1,q2\n7,${cells},1,2\n`);
  assert.match(
    text,
    /^ {2}pixel: array\(float64\), \/\/ with \{ columns: \{ pixel: \/\^pixel\\\.\\d\+\$\/ \} \}$/m,
  );
  assert.match(text, /^ {2}label: int64,$/m);
  assert.match(text, /^ {2}q1: int64,$/m);
  assert.deepEqual(
    made(text).fields.map(({ name }) => name),
    ['label', 'pixel', 'q1', 'q2'],
  );
});

test('files without a header, and without rows, have a type too', async () => {
  assert.match(await inferred('1,x\n', { header: false }), /column1: int64,\n {2}column2: string,/);
  assert.match(await inferred('a,b\n'), /a: string,\n {2}b: string,/);
  await assert.rejects(inferred(''), { code: 'HEADER_MISMATCH' });
  await assert.rejects(inferred('a\n1\n', { headr: true } as never), /Did you mean header/);
  await assert.rejects(inferred('a\n"1\n'), /the file ends inside it/);
});

test('only a sample is looked at', async () => {
  const text = `a\n${'1\n'.repeat(10)}x\n`;
  assert.match(await inferred(text, { sampleRecords: 10 }), /a: int64/);
  assert.match(await inferred(text), /a: string/);
});

test('whole numbers that no integer holds are texts: a double would make one of two', async () => {
  const text = await inferred('iccid,x\n89490200001234567890,1e20\n89490200001234567891,2.5\n');
  assert.match(text, /iccid: string,\n {2}x: float64,/);
});
