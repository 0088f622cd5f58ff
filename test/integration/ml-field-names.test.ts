// SPDX-License-Identifier: Apache-2.0
// Rows whose fields are named as in real files go through RunInference. Starts the managed Python host.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { custom, RunInference } from '../../src/ml/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import { array, float64, int64, nullable, row, string } from '../../src/schema/index.ts';
import { create } from '../../src/transforms/index.ts';

const SOURCE = `
from apache_beam.ml.inference.base import ModelHandler, PredictionResult

class Echo(ModelHandler):
  def load_model(self):
    return None
  def run_inference(self, batch, model, inference_args=None):
    return [PredictionResult(row, {'Bill (mm)': row.Beak_Length_mm, 'class': ','.join(row._fields), 'rows': [row]}) for row in batch]
`;

const folder = mkdtempSync(join(tmpdir(), 'beambridge-names-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, 'echo.py');
writeFileSync(file, SOURCE);

const penguin = row({
  'Beak Length (mm)': float64,
  class: string,
  _id: int64,
  'order-id': nullable(string),
});
const echo = custom({
  file,
  example: penguin,
  inference: row({ 'Bill (mm)': float64, class: string, rows: array(penguin) }),
});

for (const runner of ['node', 'direct'] as const) {
  test(`fields that are no names in Python keep their names outside, on ${runner}`, async () => {
    const example = { 'Beak Length (mm)': 2.5, class: 'x', _id: 7, 'order-id': null };
    const out: unknown[] = [];
    await createRunner({ runner, progress: false }).run((root) => {
      root
        .apply(create([{ key: { 'my key': 1 }, value: example }]))
        .apply(RunInference.ofKVs(echo, row({ 'my key': int64 })))
        .map((found) => {
          out.push(found);
        });
    });
    assert.deepEqual(out, [
      {
        key: { 'my key': 1 },
        value: {
          example,
          inference: {
            'Bill (mm)': 2.5,
            class: 'Beak_Length_mm,class_,id,order_id',
            rows: [example],
          },
        },
      },
    ]);
  });
}
