// SPDX-License-Identifier: Apache-2.0
// Fills in masked words with a composite transform of Python's, which a local package holds: the
// example of Beam's page "Using RunInference from Java SDK".
//
//   npm run example -- masked-word [--input=GLOB] [--runner=direct]
//
// The package is examples/masked-word. Where Beam's example fetches BERT, its model is a tiny one that
// is trained here on ten sentences (examples/masked-word/sentences.txt), so nothing is downloaded.

import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { create, pythonTransform, withSchema } from 'beambridge';
import { readFromText } from 'beambridge/io';
import { string } from 'beambridge/schema';
import { execa } from 'execa';
import { ensurePythonEnvironment } from '../src/services/index.ts';
import { exampleFlags } from './support/flags.ts';

const { flags, runner } = exampleFlags({ input: '', modelPath: '.cache/masked-word/model.npz' });
const folder = resolve(import.meta.dirname, 'masked-word');
const packages = [folder];

const model = resolve(flags.modelPath);
if (!existsSync(model)) {
  mkdirSync(resolve(model, '..'), { recursive: true });
  const { python } = await ensurePythonEnvironment({ packages });
  await execa(python, ['-m', 'masked_word.model', join(folder, 'sentences.txt'), model]);
}

const fillIn = pythonTransform('masked_word.MaskedWords', { model_path: model }, undefined, {
  output: string,
  packages,
});
const sentences = [
  'The capital of France is [MASK].',
  'The capital of Italy is [MASK].',
  'A model predicts an [MASK] for each example.',
  'The [MASK] moves data between the workers.',
  'Nothing is masked here.',
];

await runner.run((root) => {
  const lines = flags.input
    ? root.apply(readFromText(flags.input))
    : root.apply(create(sentences)).apply(withSchema(string));
  lines.apply(fillIn).map((line) => console.log(line));
});
