// SPDX-License-Identifier: Apache-2.0
// Rows through a model that waits, or one that computes, each batch as long as told, in workers of the engine:
// scaling_beambridge.mjs Waiting|Busy ROWS ROWS_PER_BATCH SECONDS_PER_BATCH HANDLERS.py OPTIONS
// It prints how long it was from the end of the first batch to that of the last: starts are not in it.

import { counter, create, createRunner, distribution, pipeline } from 'beambridge';
import { custom, RunInference } from 'beambridge/ml';
import { int64 } from 'beambridge/schema';

const [className = '', rows, perBatch, seconds, file = '', options = '{}'] = process.argv.slice(2);

export const work = pipeline(import.meta.url, (root) =>
  root
    .apply(create(Array.from({ length: Number(rows) }, (_, i) => i)))
    .apply(
      RunInference.of(
        custom({
          file,
          className,
          kwargs: { seconds: Number(seconds) },
          example: int64,
          // When its batch was done, in milliseconds.
          inference: int64,
        }),
      ).withBatching({ minSize: Number(perBatch), maxSize: Number(perBatch) }),
    )
    .map(
      ({ inference }, { scored, done }) => {
        scored.increment();
        done.update(inference);
      },
      { scored: counter('scored'), done: distribution('done') },
    ),
);

const result = await createRunner(JSON.parse(options)).run(work);
const metrics = await result.metrics();
const { scored } = metrics.counters();
if (scored !== Number(rows)) throw new Error(`${scored} of ${rows} rows were scored`);
const { min, max } = metrics.distributions().done!;
console.log(`scoring seconds: ${((max - min) / 1000).toFixed(2)}`);
