// SPDX-License-Identifier: Apache-2.0
// A CSV file that pandas wrote, scored by a scikit-learn pipeline with a ColumnTransformer, to a CSV file. The declared
// row is what the file, the data frame and the output have in common. The model is trained at the first run.
//
//   npm run example -- wine [--output=PREFIX]

import { counter } from 'beambridge';
import { readFromCsv, writeToCsv } from 'beambridge/io';
import { RunInference, sklearn } from 'beambridge/ml';
import { float64, int64, nullable, row, string } from 'beambridge/schema';
import { exampleFlags } from './support/flags.ts';
import { trained } from './support/trained.ts';

const { flags, runner, expansionService } = exampleFlags({ output: 'out/wine' });
const folder = await trained('train_wine.py', 'model.pkl', ['sklearn']);

const measured = {
  strength: nullable(string),
  flavanoids: float64,
  proline: nullable(float64),
  'color intensity (0-15)': float64,
  'od280/od315': float64,
};
const wine = row({ cultivar: int64, ...measured });
const scored = row({ cultivar: int64, inference: int64, strength: nullable(string) });

const model = sklearn({
  modelUri: `${folder}/model.pkl`,
  example: row(measured),
  inference: int64,
});
let scoring = RunInference.ofKVs(model, int64);
if (expansionService) scoring = scoring.withExpansionService(expansionService);

const result = await runner.run((root) => {
  root
    .apply(readFromCsv(`${folder}/test.csv`, { schema: wine, nulls: ['NA'] }))
    .map(({ cultivar, ...value }) => ({ key: cultivar, value }))
    .apply(scoring)
    .map(({ key: cultivar, value: { example, inference } }, right) => {
      if (inference === cultivar) right.increment();
      return { cultivar, inference, strength: example.strength };
    }, counter('right'))
    .apply(writeToCsv(flags.output, { schema: scored }));
});

const { right = 0 } = await result.counters();
console.log(`${right} of 45 wines known`);
