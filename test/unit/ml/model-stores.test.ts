// SPDX-License-Identifier: Apache-2.0
// A model in a store brings the Python packages that read it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onnx, pytorch, sklearn, tensorflow } from '../../../src/ml/index.ts';
import { array, float32, int64 } from '../../../src/schema/index.ts';

const types = { example: array(float32), inference: int64 };

test('a model of s3:// wants boto3, one of gs:// the extra gcp, a local one neither', () => {
  const s3 = sklearn({ modelUri: 's3://models/digits.pkl', ...types });
  assert.deepEqual([s3.extras, s3.packages], [['sklearn'], ['boto3']]);
  const gs = onnx({ modelUri: 'gs://models/digits.onnx', ...types });
  assert.deepEqual([gs.extras, gs.packages], [['onnx', 'gcp'], []]);
  const local = sklearn({ modelUri: 'digits.pkl', ...types });
  assert.deepEqual([local.extras, local.packages], [['sklearn'], []]);
});

test("packages that the program names stay, and TensorFlow's models are read by TensorFlow", () => {
  const named = pytorch({
    torchScriptModelPath: 's3://models/digits.pt',
    packages: ['boto3==1.40.0', 'einops'],
    ...types,
  });
  assert.deepEqual(named.packages, ['boto3==1.40.0', 'einops']);
  assert.deepEqual(tensorflow({ modelUri: 's3://models/digits.keras', ...types }).packages, []);
});
