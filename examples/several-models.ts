// SPDX-License-Identifier: Apache-2.0
// Several models in one pipeline, on handwritten digits that none of them has seen:
//
//   npm run example -- several-models [--runner=direct|node] [--sure=0.9]
//
// - a cascade: a quick model answers where it is sure, a careful one is asked about the rest
// - an ensemble: three models vote
// - A/B: each half of the traffic gets another model
//
// The careful model is in all three, and is loaded once per worker. Pickles run code when they are
// loaded: these are made by examples/support/train_several.py on this machine.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { counter, create, flatten, groupByKey, P, type PCollection, withName } from 'beambridge';
import { RunInference, sklearn } from 'beambridge/ml';
import { array, float64, type Infer, int64, row } from 'beambridge/schema';
import { parseDigit } from './support/digits.ts';
import { exampleFlags } from './support/flags.ts';
import { trained } from './support/trained.ts';

const { flags, runner } = exampleFlags({ sure: '0.9' });
const folder = await trained('train_several.py', 'test.csv', ['sklearn']);

/** Which digit it is about: keys stay with their predictions, whatever way these take. */
const ID = row({ id: int64, label: int64 });
type Id = Infer<typeof ID>;

const model = (name: string) =>
  RunInference.ofKVs(
    sklearn({
      modelUri: join(folder, `${name}.pkl`),
      method: 'predict_proba',
      example: array(int64),
      inference: array(float64),
    }),
    ID,
  );
const [quick, forest, careful] = [model('logistic'), model('forest'), model('neighbors')];
const ask = (scoring: typeof quick, name: string) => withName(name, scoring);

const likeliest = (chances: readonly number[]) => chances.indexOf(Math.max(...chances));

/** Counts the answers under a name, and those that are right. */
function judge(name: string, answers: PCollection<{ key: Id; value: number }>): void {
  answers.apply(
    withName(`judge ${name}`, (input: typeof answers) =>
      input.map(
        ({ key, value }, { seen, right }) => {
          seen.increment();
          if (key.label === value) right.increment();
        },
        { seen: counter(`${name}: seen`), right: counter(`${name}: right`) },
      ),
    ),
  );
}

const lines = readFileSync(join(folder, 'test.csv'), 'utf8').trim().split('\n');
const rows = lines.map((line, id) => {
  const { key: label, value } = parseDigit(line);
  return { key: { id, label }, value };
});

const result = await runner.run((root) => {
  const digits = root.apply(create(rows));

  const first = digits.apply(ask(quick, 'quick'));
  const second = first
    .filter(({ value }) => Math.max(...value.inference) < Number(flags.sure))
    .map(({ key, value }) => ({ key, value: value.example }))
    .apply(ask(careful, 'careful, where quick is unsure'))
    .map(({ key, value }) => ({ key, value: likeliest(value.inference) }));
  const sure = first
    .filter(({ value }) => Math.max(...value.inference) >= Number(flags.sure))
    .map(({ key, value }) => ({ key, value: likeliest(value.inference) }));
  judge(
    'quick alone',
    first.map(({ key, value }) => ({ key, value: likeliest(value.inference) })),
  );
  judge('cascade', P([sure, second]).apply(flatten()));
  judge('asked of careful', second);

  const votes = [first, digits.apply(ask(forest, 'forest')), digits.apply(ask(careful, 'careful'))];
  const elected = P(votes)
    .apply(flatten())
    .map(({ key, value }) => ({ key, value: value.inference }))
    .apply(groupByKey())
    .map(({ key, value }) => {
      const sums = [...value].reduce((sum, chances) => sum.map((s, i) => s + chances[i]!));
      return { key, value: likeliest(sums) };
    });
  judge('ensemble', elected);

  for (const [half, scoring] of [quick, careful].entries()) {
    const answers = digits
      .filter(({ key }) => key.id % 2 === half)
      .apply(ask(scoring, half === 0 ? 'A' : 'B'))
      .map(({ key, value }) => ({ key, value: likeliest(value.inference) }));
    judge(half === 0 ? 'A (quick)' : 'B (careful)', answers);
  }
});

const counters = await result.counters();
for (const name of [
  'quick alone',
  'cascade',
  'asked of careful',
  'ensemble',
  'A (quick)',
  'B (careful)',
]) {
  const seen = counters[`${name}: seen`] ?? 0;
  const right = counters[`${name}: right`] ?? 0;
  console.log(`${name.padEnd(17)} ${(right / seen).toFixed(4)} of ${seen}`);
}
