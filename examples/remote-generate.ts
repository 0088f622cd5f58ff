// SPDX-License-Identifier: Apache-2.0
// Asks a language model behind an endpoint that speaks OpenAI's API:
//
//   npm run example -- remote-generate [--question=TEXT] [--baseUrl=URL --model=NAME --apiKeyEnv=NAME]
//
// Without an endpoint it starts a local one with a real model (SmolLM2-135M on llama.cpp), which
// answers its first `--throttleFirst` requests with HTTP 429: the run waits and asks again. The answer
// is greedy (temperature 0), and so the same each time.

import { create } from 'beambridge';
import { openAiCompatible, RunInference } from 'beambridge/ml';
import { exampleFlags } from './support/flags.ts';
import { startOpenAiServer } from './support/openai-server.ts';

const { flags, runner, expansionService } = exampleFlags({
  question: 'What is the capital of France?',
  baseUrl: '',
  model: 'smollm2-135m-instruct',
  apiKeyEnv: '',
  throttleFirst: '2',
});
const local = flags.baseUrl
  ? undefined
  : await startOpenAiServer({ throttleFirst: Number(flags.throttleFirst) });

const llm = openAiCompatible({
  baseUrl: local?.url ?? flags.baseUrl,
  model: flags.model,
  ...(flags.apiKeyEnv ? { apiKeyEnv: flags.apiKeyEnv } : {}),
  temperature: 0,
  maxTokens: 60,
  requestsPerSecond: 5,
});
let inference = RunInference.of(llm);
if (expansionService) inference = inference.withExpansionService(expansionService);

try {
  await runner.run((root) =>
    root
      .apply(create([flags.question]))
      .apply(inference)
      .map(({ example, inference }) => console.log(`${example}\n${inference}`)),
  );
  if (local) console.log(`(${local.seen.throttled} of ${local.seen.requests} requests throttled)`);
} finally {
  await local?.[Symbol.asyncDispose]();
}
