// SPDX-License-Identifier: Apache-2.0
// A model handler of one's own, a Python class in a file beside this program:
//
//   npm run example -- custom-handler [--metric=euclidean|manhattan] [--runner=direct]
//
// The class is in examples/support/nearest_centroid.py; its text travels to the Python workers.

import { mkdirSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { create } from 'beambridge';
import { custom, RunInference } from 'beambridge/ml';
import { array, float64, row, string } from 'beambridge/schema';
import { exampleFlags } from './support/flags.ts';

const { flags, runner, expansionService } = exampleFlags({ metric: 'euclidean' });

const centroids = resolve('.cache/custom-handler/centroids.json');
mkdirSync(resolve(centroids, '..'), { recursive: true });
writeFileSync(centroids, JSON.stringify({ origin: [0, 0], corner: [10, 10], side: [10, 0] }));

const nearest = custom({
  file: resolve(import.meta.dirname, 'support/nearest_centroid.py'),
  className: 'NearestCentroid',
  kwargs: { centroids, metric: flags.metric },
  example: array(float64),
  inference: row({ label: string, distance: float64 }),
});
let inference = RunInference.of(nearest);
if (expansionService) inference = inference.withExpansionService(expansionService);

await runner.run((root) =>
  root
    .apply(
      create([
        [3, 4],
        [9, 7],
        [8, 1],
      ]),
    )
    .apply(inference)
    .map(({ example, inference: { label, distance } }) =>
      console.log(`${example}: ${label}, ${distance.toFixed(2)} away`),
    ),
);
