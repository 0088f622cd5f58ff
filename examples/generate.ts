// SPDX-License-Identifier: Apache-2.0
// Asks a real language model (SmolLM2-135M, fetched at the first run) in a Hugging Face pipeline:
//
//   npm run example -- generate [--question=TEXT] [--runner=direct]
//
// Without sampling, so that the answer is the same each time. Loading takes about 20 seconds.

import { create } from 'beambridge';
import { huggingfacePipeline, RunInference } from 'beambridge/ml';
import { exampleFlags } from './support/flags.ts';
import { smolLm2 } from './support/packaged.ts';

const { flags, runner } = exampleFlags({ question: 'What is the capital of France?' });

const llm = huggingfacePipeline({
  task: 'text-generation',
  model: await smolLm2(),
  chat: true,
  loadPipelineArgs: { max_new_tokens: 40, do_sample: false },
});

await runner.run((root) =>
  root
    .apply(create([flags.question]))
    .apply(RunInference.of(llm))
    .map(({ inference }) => console.log(inference.generated_text)),
);
