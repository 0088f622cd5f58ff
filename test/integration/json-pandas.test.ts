// SPDX-License-Identifier: Apache-2.0
// Files of JSON that pandas writes, read here, and ours read there; and a CSV file whose declared rows a model and a
// writer take as they are. On both runners. Starts Node, and through it the managed Python.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { readFromCsv, readFromJson, writeToJson } from '../../src/io/index.ts';
import { RunInference, sklearn } from '../../src/ml/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import {
  array,
  bigint64,
  boolean,
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
  scratch = mkdtempSync(join(tmpdir(), 'beambridge-json-'));
  ({ python } = await ensurePythonEnvironment({ extras: ['sklearn'] }));
});
after(() => rmSync(scratch, { recursive: true, force: true }));

function run(program: string, ...flags: string[]): string {
  return execFileSync(python, ['-W', 'ignore', '-c', program, ...flags], { encoding: 'utf8' });
}

const TEXTS = ['plain', '"', 'a\nb', ']},', 'Ä€😀', '\\', 'nan', ''];
const schema = row({
  id: int64,
  'text (raw)': nullable(string),
  big: bigint64,
  x: nullable(float64),
  yes: boolean,
  at: millisInstant,
  list: array(int64),
});

const FRAME = `
import sys, json, numpy, pandas
rng = numpy.random.default_rng(7)
n = 500
texts = json.loads(sys.argv[3])
frame = pandas.DataFrame({
    'id': range(n),
    'text (raw)': [texts[i % len(texts)] if i % 13 else None for i in range(n)],
    'big': rng.integers(-2**63, 2**63 - 1, n),
    'x': numpy.where(rng.random(n) < 0.2, numpy.nan, rng.integers(-2**40, 2**40, n) / 1024),
    'yes': rng.random(n) < 0.5,
    'at': pandas.to_datetime(rng.integers(0, 2**41, n), unit='ms', utc=True),
    'list': [list(range(i % 4)) for i in range(n)],
})
frame.to_json(sys.argv[1], orient='records', lines=sys.argv[2] == 'lines', date_format='iso', double_precision=15)
print(json.dumps([[int(r[0]), None if r[1] is None or r[1] != r[1] else r[1], str(int(r[2])), None if pandas.isna(r[3]) else float(r[3]), bool(r[4]), r[5].value // 10**6, r[6]]
    for r in frame.itertuples(index=False)]))
`;

for (const runner of ['node', 'direct']) {
  for (const lines of [true, false]) {
    const form = lines ? 'lines' : 'array';

    test(`what pandas writes as ${form} is read, on ${runner}`, async () => {
      const path = join(scratch, `pandas-${runner}-${form}.json`);
      const expected = JSON.parse(run(FRAME, path, form, JSON.stringify(TEXTS)));
      const seen: unknown[] = [];
      await createRunner({ runner }).run((root) => {
        root
          .apply(readFromJson(path, { schema, lines }))
          .map((r) =>
            seen.push([r.id, r['text (raw)'], `${r.big}`, r.x, r.yes, r.at.getTime(), r.list]),
          );
      });
      seen.sort((a, b) => (a as [number])[0] - (b as [number])[0]);
      assert.deepEqual(seen, expected);
    });

    test(`what is written here as ${form} pandas reads, on ${runner}`, async () => {
      const rows = Array.from({ length: 300 }, (_, id) => ({
        id,
        'text (raw)': id % 13 ? TEXTS[id % TEXTS.length]! : null,
        big: BigInt(id) ** 7n * -1n,
        x: id % 7 ? (id - 150) / 1024 : null,
        yes: id % 3 === 0,
        at: new Date(id * 86_399_999),
        list: [id, id * 2],
      }));
      const folder = join(scratch, `ours-${runner}-${form}`);
      mkdirSync(folder);
      await createRunner({ runner }).run((root) => {
        root
          .apply(create(rows, { schema }))
          .apply(writeToJson(join(folder, 'out'), { lines, numShards: 2 }));
      });
      const paths = readdirSync(folder).map((name) => join(folder, name));
      const program = `import sys, json, pandas
frames = [pandas.read_json(path, lines=sys.argv[1] == 'lines', dtype={'text (raw)': object, 'big': 'int64'}, convert_dates=['at'], precise_float=True) for path in sys.argv[2:]]
frame = pandas.concat(frames).sort_values('id')
print(json.dumps([[int(r[0]), None if r[1] is None or r[1] != r[1] else r[1], str(int(r[2])), None if pandas.isna(r[3]) else float(r[3]), bool(r[4]), int(r[5].timestamp() * 1000 + 0.5), r[6]]
    for r in frame.itertuples(index=False)]))`;
      const found = JSON.parse(run(program, form, ...paths));
      assert.deepEqual(
        found,
        rows.map((r) => [r.id, r['text (raw)'], `${r.big}`, r.x, r.yes, r.at.getTime(), r.list]),
      );
    });
  }

  test(`rows of a file go to a model and to a writer with the type that was declared, on ${runner}`, async () => {
    const [data, model] = [join(scratch, 'flats.csv'), join(scratch, 'flats.pkl')];
    run(
      `import pickle, sys, pandas
from sklearn.linear_model import LinearRegression
x = pandas.DataFrame({'area': [1., 2, 3, 4], 'rooms': [10., 0, 5, 2]})
x.to_csv(sys.argv[1], index=False)
pickle.dump(LinearRegression().fit(x, x.area * 100 + x.rooms), open(sys.argv[2], 'wb'))`,
      data,
      model,
    );
    const flat = row({ area: float64, rooms: float64 });
    const handler = sklearn({ modelUri: model, example: flat, inference: float64 });
    const prefix = join(scratch, `scored-${runner}`);
    await createRunner({ runner }).run((root) => {
      root
        .apply(readFromCsv(data, { schema: flat }))
        .apply(RunInference.of(handler))
        .apply(writeToJson(prefix));
    });
    const [first] = readFileSync(`${prefix}-00000-of-00001.jsonl`, 'utf8').split('\n');
    const { example, inference } = JSON.parse(first!);
    assert.deepEqual([example, Math.round(inference)], [{ area: 1, rooms: 10 }, 110]);
  });
}
