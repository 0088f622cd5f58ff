// SPDX-License-Identifier: Apache-2.0
// CSV files that pandas and Python's csv module write, read here, and ours read there, on both runners. Starts Node,
// and through it the managed Python.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { readFromCsv, writeToCsv } from '../../src/io/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import {
  array,
  bigint64,
  boolean,
  float32,
  float64,
  int64,
  millisInstant,
  nullable,
  row,
  string,
} from '../../src/schema/index.ts';
import { ensurePythonEnvironment } from '../../src/services/index.ts';
import { create } from '../../src/transforms/index.ts';

let scratch: string;
let python: string;
before(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'beambridge-csv-'));
  ({ python } = await ensurePythonEnvironment({ extras: ['sklearn'] }));
});
after(() => rmSync(scratch, { recursive: true, force: true }));

function run(program: string, ...flags: string[]): string {
  return execFileSync(python, ['-W', 'ignore', '-c', program, ...flags], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
}

/** Texts that a careless reader breaks. */
const TEXTS = [
  'plain',
  'a,b',
  '"',
  'a\nb',
  'a\r\nb',
  ' spaced ',
  '#1',
  "it's",
  'Ä€😀',
  '007',
  'nan',
];

const schema = row({
  id: int64,
  'text (raw)': nullable(string),
  big: bigint64,
  x: nullable(float64),
  y: float32,
  yes: boolean,
  at: millisInstant,
});

const FRAME = `
import sys, json, numpy, pandas
rng = numpy.random.default_rng(7)
n = 1000
texts = json.loads(sys.argv[2])
frame = pandas.DataFrame({
    'id': range(n),
    'text (raw)': [texts[i % len(texts)] if i % 13 else None for i in range(n)],
    'big': rng.integers(-2**63, 2**63 - 1, n),
    'x': numpy.where(rng.random(n) < 0.2, numpy.nan, rng.normal(size=n) * 10.0 ** rng.integers(-300, 300, n)),
    'y': rng.normal(size=n).astype('float32'),
    'yes': rng.random(n) < 0.5,
    'at': pandas.to_datetime(rng.integers(0, 2**41, n), unit='ms', utc=True),
})
`;

/** Each value in a form that is the same in both languages. */
const DUMP = `
def dump(frame):
    for r in frame.itertuples(index=False):
        text = None if pandas.isna(r[1]) else r[1]
        x = None if pandas.isna(r[3]) else float(r[3]).hex()
        print(json.dumps([int(r[0]), text, str(int(r[2])), x, float(numpy.float32(r[4])).hex(), bool(r[5]), r[6].value // 10**6]))
`;

/** As Python's \`float.hex()\`. */
function hex(value: number): string {
  const bytes = new DataView(new ArrayBuffer(8));
  bytes.setFloat64(0, value);
  return bytes.getBigUint64(0).toString(16);
}

const HEXED = DUMP.replaceAll('.hex()', '').replaceAll(
  /float\(((?:numpy\.float32\()?r\[\d\]\)?)\)/g,
  "struct.pack('>d', $1).hex().lstrip('0')",
);

for (const runner of ['node', 'direct']) {
  for (const [name, how, options] of [
    ['as it does by default', '', {}],
    [
      'all in quotes, with tabs and CR LF',
      ", sep='\\t', quoting=1, lineterminator='\\r\\n', na_rep='NA'",
      { delimiter: '\t', nulls: ['NA'] },
    ],
    ['in UTF-16', ", encoding='utf-16'", { encoding: 'utf16le' as const }],
    ['gzipped', '', {}],
  ] as const) {
    test(`what pandas writes ${name} is read, on ${runner}`, async () => {
      const path = join(scratch, `pandas-${runner}.csv${name === 'gzipped' ? '.gz' : ''}`);
      const program = `import struct${FRAME}${HEXED}
frame.to_csv(sys.argv[1], index=False${how})
dump(frame)`;
      const expected = run(program, path, JSON.stringify(TEXTS)).trim().split('\n');
      const seen: unknown[] = [];
      await createRunner({ runner }).run((root) => {
        root.apply(readFromCsv(path, { schema, ...options })).map((each) => {
          // pandas writes a missing text and the text 'NA' alike, where that is how it writes missing ones in quotes.
          const text = each['text (raw)'] === 'NA' ? null : each['text (raw)'];
          seen.push([
            each.id,
            text,
            `${each.big}`,
            each.x === null ? null : hex(each.x),
            hex(each.y),
            each.yes,
            each.at.getTime(),
          ]);
        });
      });
      assert.equal(seen.length, 1000);
      for (const [at, line] of expected.entries()) assert.deepEqual(seen[at], JSON.parse(line));
    });
  }

  test(`what is written here pandas and csv read, on ${runner}`, async () => {
    const rows = Array.from({ length: 500 }, (_, id) => ({
      id,
      'text (raw)': id % 13 ? TEXTS[id % TEXTS.length]! : null,
      big: BigInt(id) ** 6n * -1n,
      x: id % 7 ? Math.sin(id) * 10 ** ((id % 600) - 300) : null,
      y: Math.fround(Math.cos(id)),
      yes: id % 3 === 0,
      at: new Date(id * 86_399_999),
    }));
    const folder = join(scratch, `ours-${runner}`);
    mkdirSync(folder);
    await createRunner({ runner }).run((root) => {
      root
        .apply(create(rows, { schema }))
        .apply(writeToCsv(join(folder, 'out'), { nullText: 'NULL' }));
    });
    const files = readdirSync(folder);
    assert.equal(files.length, 1);
    const program = `import struct, csv, json, sys, numpy, pandas
${HEXED}
frame = pandas.read_csv(sys.argv[1], keep_default_na=False, na_values={'text (raw)': ['NULL'], 'x': ['NULL']}, float_precision='round_trip', parse_dates=['at'])
dump(frame.sort_values('id'))
with open(sys.argv[1], newline='') as file:
    print(json.dumps([r['text (raw)'] for r in sorted(csv.DictReader(file, strict=True), key=lambda r: int(r['id']))]))`;
    const lines = run(program, join(folder, files[0]!)).trim().split('\n');
    const texts = JSON.parse(lines.pop()!);
    assert.deepEqual(
      texts,
      rows.map((each) => each['text (raw)'] ?? 'NULL'),
    );
    assert.deepEqual(
      lines.map((line) => JSON.parse(line)),
      rows.map((each) => [
        each.id,
        each['text (raw)'],
        `${each.big}`,
        each.x === null ? null : hex(each.x),
        hex(each.y),
        each.yes,
        each.at.getTime(),
      ]),
    );
  });

  test(`ranges, shards and bad records are the same on ${runner}`, async () => {
    const path = join(scratch, `ranges-${runner}.csv`);
    run(
      `import sys
with open(sys.argv[1], 'w') as file:
    file.write('label,' + ','.join(f'p{i}' for i in range(20)) + '\\n')
    for i in range(5000):
        file.write(f'{i},' + ','.join(str(i * j % 17) if (i, j) != (4321, 5) else 'x' for j in range(20)) + '\\n')`,
      path,
    );
    const digit = row({ label: int64, p: array(int64) });
    const found: number[] = [];
    const bad: unknown[] = [];
    await createRunner({ runner }).run((root) => {
      const { records, failed } = root.apply(
        readFromCsv(path, {
          schema: digit,
          columns: { p: /^p/ },
          quotedNewlines: false,
          splitBytes: 20_000,
        }).withBadRecords(),
      );
      records.map(({ label, p }) => void found.push(p[3] === (label * 3) % 17 ? label : -1));
      failed.map(({ line, column }) => void bad.push([line, column]));
    });
    const labels = Array.from({ length: 5000 }, (_, i) => i).filter((i) => i !== 4321);
    assert.deepEqual(
      found.sort((a, b) => a - b),
      labels,
    );
    assert.deepEqual(bad, [[4323, 'p5']]);
  });
}
