// SPDX-License-Identifier: Apache-2.0
// Finds the sentences that are nearest in meaning to a question, with the embeddings of a real model
// (all-MiniLM-L6-v2, fetched at the first run) in a Hugging Face pipeline:
//
//   npm run example -- embeddings [--query=TEXT] [--runner=direct]

import { create } from 'beambridge';
import { huggingfacePipeline, RunInference } from 'beambridge/ml';
import { exampleFlags } from './support/flags.ts';
import { miniLm } from './support/packaged.ts';

const { flags, runner } = exampleFlags({ query: 'How do I get my money back?' });

const SENTENCES = [
  'A refund is paid within five days.',
  'The library opens at nine in the morning.',
  'Parcels are delivered on weekdays.',
  'The recipe needs two eggs and some flour.',
  'Trains to the coast leave every hour.',
  'It will rain in the mountains tomorrow.',
];

const embedding = huggingfacePipeline({
  task: 'feature-extraction',
  model: await miniLm(),
  pooling: 'mean',
  normalize: true,
});

const vectors = new Map<string, number[]>();
await runner.run((root) =>
  root
    .apply(create([flags.query, ...SENTENCES]))
    .apply(RunInference.of(embedding))
    .map(({ example, inference }) => vectors.set(example, inference)),
);

const query = vectors.get(flags.query)!;
const likeness = (sentence: string) =>
  vectors.get(sentence)!.reduce((sum, value, i) => sum + value * query[i]!, 0);
for (const sentence of SENTENCES.sort((a, b) => likeness(b) - likeness(a))) {
  console.log(`${likeness(sentence).toFixed(3)}  ${sentence}`);
}
