// SPDX-License-Identifier: Apache-2.0
// Examples that make no stack, and predictions that are no dense array: detectors, tokens of several lengths, sparse rows.
// Installs the frameworks' environments.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pytorch, sklearn } from '../../src/ml/index.ts';
import {
  array,
  float32,
  float64,
  int64,
  row,
  string,
  type Tensor,
  tensor,
} from '../../src/schema/index.ts';
import { ensurePythonEnvironment, stopHosts } from '../../src/services/index.ts';
import { SKIP_HEAVY, WITH_TORCH } from '../helpers/frameworks.ts';
import { outcomes } from '../helpers/outcomes.ts';

const options = { skip: SKIP_HEAVY };

/** Finds the pixels above a half, as torchvision's detectors give boxes: a dict for each image. */
const FINDER = `
import torch
class Finder(torch.nn.Module):
  def __init__(self):
    super().__init__()
    self.least = torch.nn.Parameter(torch.tensor(0.5))
  def forward(self, images):
    assert isinstance(images, list), type(images)
    found = [(image > self.least).nonzero() for image in images]
    return [{'boxes': places.float(), 'scores': image[image > self.least]} for image, places in zip(images, found)]
  def tensors(self, images):
    return [image.sum(0) for image in images]
Finder
`;
const EMBED = `
import torch
class Embed(torch.nn.Module):
  def __init__(self):
    super().__init__()
    self.weight = torch.nn.Parameter(torch.arange(10.0))
  def forward(self, input_ids, attention_mask):
    return {'total': (self.weight[input_ids] * attention_mask).sum(1), 'each': self.weight[input_ids]}
Embed
`;
const SKLEARN = `
import pickle, sys, numpy
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OneHotEncoder
import pandas
pickle.dump(OneHotEncoder(handle_unknown='ignore').fit(pandas.DataFrame({'city': ['oslo', 'rome', 'berlin']})), open(sys.argv[1] + '/encoder.pkl', 'wb'))
x = numpy.eye(50)[numpy.arange(100) % 50]
pickle.dump(LogisticRegression().fit(x, numpy.arange(100) % 50 % 2), open(sys.argv[1] + '/sparse.pkl', 'wb'))
`;

let folder: string;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'beambridge-lists-'));
  if (SKIP_HEAVY) return;
  const stdio = ['ignore', 'ignore', 'pipe'] as ('ignore' | 'pipe')[];
  const { python } = await ensurePythonEnvironment({ extras: [...WITH_TORCH] });
  const save = `${FINDER}\n${EMBED}\nimport sys\nfor cls in (Finder, Embed): torch.save(cls().state_dict(), f'{sys.argv[1]}/{cls.__name__}.pt')`;
  execFileSync(python, ['-c', save, folder], { stdio });
  const sk = await ensurePythonEnvironment({ extras: ['sklearn'] });
  execFileSync(sk.python, ['-c', SKLEARN, folder], { stdio });
});
after(async () => {
  rmSync(folder, { recursive: true, force: true });
  await stopHosts();
});

test('a detector gets a list of images of several sizes', options, async () => {
  const finder = {
    stateDictPath: join(folder, 'Finder.pt'),
    modelClass: FINDER,
    batch: 'list',
    example: tensor(float32, [null, null]),
  } as const;
  const boxes = pytorch({
    ...finder,
    inference: row({ boxes: tensor(float32, [null, 2]), scores: array(float32) }),
  });
  const images = [
    [[0, 1]],
    [
      [0.75, 0],
      [0, 1],
      [0, 0],
    ],
    [[0]],
  ];
  const [found] = (await outcomes([boxes as never], [images])) as {
    boxes: Tensor;
    scores: number[];
  }[][];
  assert.deepEqual(
    found!.map((each) => [each.boxes.toArray(), each.scores]),
    [
      [[[0, 1]], [1]],
      [
        [
          [0, 0],
          [1, 1],
        ],
        [0.75, 1],
      ],
      [[], []],
    ],
  );
  // A list of tensors says nothing of what they are.
  const sums = pytorch({ ...finder, modelMethod: 'tensors', inference: array(float32) });
  await assert.rejects(outcomes([sums as never], [images]), {
    code: 'INFERENCE_MISMATCH',
    message: /a list of 3 arrays for 3 examples: one for each example, or as many outputs/,
  });
  assert.throws(() => pytorch({ ...finder, inferenceFn: 'f', inference: float32 }), {
    code: 'INVALID_ARGUMENT',
  });
});

test('tokens of several lengths give what each row gives alone', options, async () => {
  const embed = pytorch({
    stateDictPath: join(folder, 'Embed.pt'),
    modelClass: EMBED,
    example: row({ input_ids: array(int64), attention_mask: array(int64) }),
    inference: row({ total: float64, each: array(float64) }),
  });
  const rows = [[1, 2, 3], [9], [4, 5], [6, 7, 8], []].map((ids) => ({
    input_ids: ids,
    attention_mask: ids.map((_, i) => (i === 1 ? 0 : 1)),
  }));
  const [found] = await outcomes([embed as never], [rows]);
  assert.deepEqual(found, [
    { total: 4, each: [1, 2, 3] },
    { total: 9, each: [9] },
    { total: 4, each: [4, 5] },
    { total: 14, each: [6, 7, 8] },
    { total: 0, each: [] },
  ]);
});

test(
  'sparse predictions are dense where they are declared, and sparse examples are put together in a function',
  options,
  async () => {
    const encoder = sklearn({
      modelUri: join(folder, 'encoder.pkl'),
      method: 'transform',
      example: row({ city: string }),
      inference: array(float64),
    });
    const topics = sklearn({
      modelUri: join(folder, 'sparse.pkl'),
      example: row({ places: array(int64), values: array(float64) }),
      inference: int64,
      inferenceFn: `
import numpy, scipy.sparse
def predict(model, batch, inference_args=None):
  ends = numpy.cumsum([0, *map(len, batch['places'])])
  values, places = numpy.concatenate(list(batch['values'])), numpy.concatenate(list(batch['places']))
  return model.predict(scipy.sparse.csr_matrix((values, places, ends), (len(batch), model.n_features_in_)))
predict`,
    });
    const cities = ['rome', 'oslo', 'paris', 'berlin'].map((city) => ({ city }));
    const rows = [3, 4, 49, 0].map((place) => ({ places: [place], values: [1] }));
    const [encoded, predicted] = await outcomes(
      [encoder as never, topics as never],
      [cities, rows],
    );
    assert.deepEqual(encoded, [
      [0, 0, 1],
      [0, 1, 0],
      [0, 0, 0],
      [1, 0, 0],
    ]);
    assert.deepEqual(predicted, [1, 0, 1, 0]);
  },
);
