// SPDX-License-Identifier: Apache-2.0
// Completes texts with a model that vLLM serves on the worker itself, on a GPU:
//
//   npm run example -- vllm [--model=facebook/opt-125m] [--prompt=TEXT] [--api=completions|chat]
//
// It needs Linux, an NVIDIA GPU with its driver, and some 10 GB for vLLM, which is installed on the
// first run; the model comes from the Hugging Face hub. Without a GPU it says so and runs nothing.

import { create } from 'beambridge';
import { RunInference, vllm } from 'beambridge/ml';
import { exampleFlags } from './support/flags.ts';
import { lackOfGpu } from './support/gpu.ts';

const { flags, runner } = exampleFlags({
  model: 'facebook/opt-125m',
  prompt: 'The capital of France is',
  api: 'completions',
});

const llm = vllm({
  modelName: flags.model,
  api: flags.api === 'chat' ? 'chat' : 'completions',
  vllmServerKwargs: { 'gpu-memory-utilization': '0.7', 'max-num-seqs': '16' },
});

const lack = await lackOfGpu();
if (lack) console.log(`not run: vLLM needs an NVIDIA GPU, and ${lack}`);
else {
  await runner.run((root) =>
    root
      .apply(create([flags.prompt]))
      .apply(RunInference.of(llm))
      .map(({ example, inference }) => console.log(`${example}${inference}`)),
  );
}
