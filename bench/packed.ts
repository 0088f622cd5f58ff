// SPDX-License-Identifier: Apache-2.0
// Packed batches against rows: the same rows of 64 numbers through the same scikit-learn handler, once
// with RunInference, and once as other languages call it, with Beam's RunInference.from_callable and
// rows one by one. Both in this process, with a host and a pipeline that ran before; the first line of
// each is a run of few rows, which shows what starting costs.

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { pythonCallable, pythonTransform } from '../src/external/index.ts';
import { RunInference } from '../src/ml/index.ts';
import type { PCollection, PTransform } from '../src/pipeline/index.ts';
import { createRunner } from '../src/runners/index.ts';
import { array, coderOf, int64, nullable, row, string } from '../src/schema/index.ts';
import { ensurePythonEnvironment } from '../src/services/index.ts';
import { create, withCoder } from '../src/transforms/index.ts';
import type { Table } from './support/table.ts';

const root = resolve(import.meta.dirname, '..');
const trained = join(root, '.cache/mnist/digits');
const SKLEARN = 'apache_beam.ml.inference.sklearn_inference.SklearnModelHandlerNumpy';
const PER_SEED = 1000;
const FEW = 1000;

type Predicted = { inference: number };

/** 1,000 rows of 64 numbers from 0 to 16, as the digits have. */
function rowsOf(seed: number): number[][] {
  let state = seed + 1;
  return Array.from({ length: PER_SEED }, () =>
    Array.from({ length: 64 }, () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return (state >>> 16) % 17;
    }),
  );
}

/** All rows by their seed, made before the clock runs. */
const made: number[][][] = [];

function ways(
  model: string,
): Record<string, PTransform<PCollection<number[]>, PCollection<Predicted>>> {
  return {
    'row by row (from_callable)': pythonTransform(
      'apache_beam.ml.inference.base.RunInference.from_callable',
      { model_handler_provider: pythonCallable(SKLEARN), model_uri: model },
      undefined,
      {
        output: row({ example: array(int64), inference: int64, model_id: nullable(string) }),
        extras: ['sklearn'],
      },
    ) as never,
    packed: RunInference.of(SKLEARN, { example: array(int64), inference: int64 }).withKwarg(
      'model_uri',
      model,
    ) as never,
  };
}

export async function run(): Promise<Table> {
  await ensurePythonEnvironment({ extras: ['sklearn'] });
  const model = join(trained, 'model.pkl');
  if (!existsSync(model)) {
    await execa(process.execPath, ['--import', 'tsx', 'scripts/example.ts', 'train-mnist'], {
      cwd: root,
    });
  }
  const option = (name: string, otherwise: string) =>
    process.argv.find((a) => a.startsWith(`--${name}=`))?.slice(name.length + 3) ?? otherwise;
  const count = Number(option('rows', '200000'));
  const names = option('runners', 'direct,node').split(',') as ('direct' | 'node')[];
  for (let seed = 0; seed < count / PER_SEED; seed++) made.push(rowsOf(seed));
  const table: string[][] = [];
  for (const name of names) {
    const runner = createRunner({ runner: name });
    let baseline: number | undefined;
    let truth: number | undefined;
    for (const [way, transform] of Object.entries(ways(model))) {
      const score = async (rows: number) => {
        let seen = 0;
        let sum = 0;
        const began = performance.now();
        await runner.run((begin) => {
          begin
            .apply(create(Array.from({ length: rows / PER_SEED }, (_, i) => i)))
            .flatMap((seed) => made[seed]!)
            .apply(withCoder(coderOf(array(int64))))
            .apply(transform)
            .map(({ inference }) => {
              seen++;
              sum += inference;
            });
        });
        const seconds = (performance.now() - began) / 1000;
        if (seen !== rows) throw new Error(`${way}: ${seen} predictions for ${rows} rows`);
        return { seconds, sum };
      };
      const few = await score(FEW);
      const { seconds, sum } = await score(count);
      truth ??= sum;
      if (sum !== truth) throw new Error(`${way} gave other predictions`);
      baseline ??= seconds;
      table.push(
        [FEW.toLocaleString('en'), name, way, `${few.seconds.toFixed(2)} s`, '', ''],
        [
          count.toLocaleString('en'),
          name,
          way,
          `${seconds.toFixed(2)} s`,
          `${Math.round(count / seconds).toLocaleString('en')}`,
          `${(baseline / seconds).toFixed(1)}`,
        ],
      );
    }
  }
  return {
    title: 'packed batches against rows: 64 numbers a row, scikit-learn, in memory, host warm',
    head: ['rows', 'runner', 'way', 'time', 'rows a second', '× rows'],
    rows: table,
  };
}
