// SPDX-License-Identifier: Apache-2.0
// Beam's data frames, with the extra that has the pandas that they know: its environment is built if need
// be. Both runners, each on a fresh host, since Beam keeps of its imports what the next expansion needs.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import {
  create,
  createRunner,
  type PCollection,
  pythonCallable,
  pythonTransform,
  type Root,
  withRowCoder,
} from '../../src/index.ts';
import { int64, nullable, row, string } from '../../src/schema/index.ts';
import { stopHosts } from '../../src/services/index.ts';

// What pandas gives back of text may be missing.
const WORD = row({ word: nullable(string), n: int64 });
const ROWS = [
  { word: 'a', n: 1 },
  { word: 'b', n: 2 },
  { word: 'a', n: 3 },
];

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'beambridge-test-'));
});
beforeEach(stopHosts);
after(async () => {
  await stopHosts();
  await rm(folder, { recursive: true });
});

const frames = (root: Root, text: string, extra: string) =>
  root
    .apply(create(ROWS))
    .apply(withRowCoder(ROWS[0]!))
    .apply(
      pythonTransform(
        'apache_beam.dataframe.transforms.DataframeTransform',
        [],
        { func: pythonCallable(text), include_indexes: true },
        { output: WORD, extras: [extra] },
      ),
    ) as PCollection<{ word: string | null; n: number }>;

async function collected(runner: string, build: (root: Root) => PCollection<unknown>) {
  const rows: string[] = [];
  await createRunner({ runner, progress: false }).run((root) =>
    build(root).map((each) => {
      rows.push(JSON.stringify(each));
    }),
  );
  return rows.sort();
}

for (const runner of ['node', 'direct']) {
  test(`a data frame of rows is grouped on ${runner}`, async () => {
    const sums = await collected(runner, (root) =>
      frames(root, "lambda df: df.groupby('word').sum()", 'dataframe'),
    );
    assert.deepEqual(sums, ['{"word":"a","n":4}', '{"word":"b","n":2}']);
  });

  test(`ReadFromCsv reads on ${runner}`, async () => {
    const file = join(folder, 'in.csv');
    await writeFile(file, 'word,n\na,1\nb,2\n');
    const rows = await collected(runner, (root) =>
      root.apply(
        pythonTransform('apache_beam.io.ReadFromCsv', [file], undefined, {
          output: row({ word: nullable(string), n: nullable(int64) }),
          extras: ['dataframe'],
        }),
      ),
    );
    assert.deepEqual(rows, ['{"word":"a","n":1}', '{"word":"b","n":2}']);
  });
}

test('a pandas that they do not know is told, with the extra that has the other', async () => {
  await assert.rejects(
    collected('node', (root) => frames(root, 'lambda df: df', 'sklearn')),
    { code: 'PYTHON_EXCEPTION', message: /extras: \['dataframe'\]/ },
  );
});
