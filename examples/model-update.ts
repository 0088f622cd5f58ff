// SPDX-License-Identifier: Apache-2.0
// A stream of digits in which a better model is released half-way: each digit is scored once, by the
// model that is current for it.
//
//   npm run example -- model-update [--digits=400]
//
// The stream is a script of events, a digit for each second, so that every run gives the same. In
// production the updates are any PCollection of `{ modelPath }`, or `withWatchedModel('models/*.pkl')`.
// The models are those of the example several-models; pickles run code when they are loaded.

import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { timestamped } from 'beambridge';
import { type ModelMetadata, RunInference, sklearn } from 'beambridge/ml';
import { array, int64, row } from 'beambridge/schema';
import { testStream } from 'beambridge/testing';
import { type Digit, parseDigit } from './support/digits.ts';
import { exampleFlags } from './support/flags.ts';
import { trained } from './support/trained.ts';

const { flags, runner } = exampleFlags({ digits: '400' }, { runner: 'node' });
const folder = await trained('train_several.py', 'test.csv', ['sklearn']);
const released = join(folder, 'neighbors.pkl');

const scoring = RunInference.ofKVs(
  sklearn({ modelUri: join(folder, 'logistic.pkl'), example: array(int64), inference: int64 }),
  row({ id: int64, label: int64 }),
);

type Event = { digit: Digit & { id: number } } | { release: string };
const SECOND = 1000;
const lines = readFileSync(join(folder, 'test.csv'), 'utf8').trim().split('\n');
const digits = lines
  .slice(0, Number(flags.digits))
  .map((line, id) => timestamped<Event>({ digit: { ...parseDigit(line), id } }, id * SECOND));
const half = digits.length / 2;

const events = testStream<Event>()
  .addElements(...digits.slice(0, half))
  .advanceWatermarkTo(half * SECOND)
  .addElements(timestamped<Event>({ release: released }, half * SECOND))
  .addElements(...digits.slice(half))
  .advanceWatermarkToInfinity();

/** By the model: which digits it scored, and how many of them right. */
const scored = new Map<string, { ids: number[]; right: number }>();
await runner.run((root) => {
  const stream = root.apply(events);
  const updates = stream.flatMap((event): ModelMetadata[] =>
    'release' in event ? [{ modelPath: event.release }] : [],
  );
  stream
    .flatMap((event) => {
      if ('release' in event) return [];
      const { id, key: label, value } = event.digit;
      return [{ key: { id, label }, value }];
    })
    .apply(scoring.withModelId().withModelUpdates(updates))
    .map(({ key, value }) => {
      const model = basename(value.model_id ?? '');
      const by = scored.get(model) ?? { ids: [], right: 0 };
      by.ids.push(key.id);
      if (key.label === value.inference) by.right++;
      scored.set(model, by);
    });
});

for (const [model, { ids, right }] of scored) {
  const [first, last] = [Math.min(...ids), Math.max(...ids)];
  const share = (right / ids.length).toFixed(4);
  console.log(`${model}: ${ids.length} digits, ${first} to ${last}, ${share} right`);
}
const seen = [...scored.values()].flatMap(({ ids }) => ids);
console.log(`${seen.length} scored, ${new Set(seen).size} of ${digits.length} digits`);
