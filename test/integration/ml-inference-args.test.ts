// SPDX-License-Identifier: Apache-2.0
// Inference arguments that JSON can say arrive as what they are. Starts the managed Python host.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { typed } from '../../src/external/index.ts';
import { custom, RunInference } from '../../src/ml/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import { float64, string } from '../../src/schema/index.ts';
import { create } from '../../src/transforms/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'beambridge-args-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, 'telling.py');
writeFileSync(
  file,
  `
from apache_beam.ml.inference.base import ModelHandler, PredictionResult

class Telling(ModelHandler):
  def load_model(self):
    return None
  def run_inference(self, batch, model, inference_args=None):
    return [PredictionResult(row, repr(inference_args)) for row in batch]
`,
);

test('nulls, empty and mixed lists, names of any kind; typed values beside them', async () => {
  const out: string[] = [];
  await createRunner({ progress: false }).run((root) => {
    root
      .apply(create(['x']))
      .apply(
        RunInference.of(custom({ file, example: string, inference: string })).withInferenceArgs({
          top_k: null,
          stop: [],
          mixed: [1, 'a', 2.5],
          'top-p': { in: true },
          scale: typed(float64, 2),
        }),
      )
      .map(({ inference }) => {
        out.push(inference);
      });
  });
  assert.deepEqual(out, [
    "{'top_k': None, 'stop': [], 'mixed': [1, 'a', 2.5], 'top-p': {'in': True}, 'scale': 2.0}",
  ]);
});
