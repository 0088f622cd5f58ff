// SPDX-License-Identifier: Apache-2.0
// The step of a RunInference whose model runs in this process, and what it cannot be asked for.

import { BeamBridgeError } from '../../base/index.ts';
import type { TypeScriptModelHandler } from '../handlers/typescript.ts';
import type { InferenceOptions } from '../options.ts';
import type { InferenceTypes } from '../packing/packing.ts';
import type { Packed } from '../steps.ts';
import { localInferenceStep } from './local-inference.ts';

/** What the step is told. */
export interface LocalStepSettings {
  readonly handler: TypeScriptModelHandler<never, unknown, unknown>;
  readonly types: InferenceTypes;
  readonly options: InferenceOptions;
}

/** @throws BeamBridgeError `UNSUPPORTED` for what only handlers that Python runs can do */
export function localStep(settings: LocalStepSettings, transform: string): Packed {
  const { handler, types, options } = settings;
  const { batching, deadLetters, metricsNamespace = `BeamML_${handler.name}` } = options;
  const asked = {
    'Python callables': options.preprocess || options.postprocess,
    'a weight or length that Python computes': batching?.weight || batching?.length,
    'a time limit or a child process': deadLetters?.timeoutMs || deadLetters?.useSubprocess,
  };
  for (const [what, value] of Object.entries(asked)) {
    if (!value) continue;
    throw new BeamBridgeError(
      'UNSUPPORTED',
      `${handler.name} runs in TypeScript, which takes no ${what.replace(/^a /, '')}`,
      { transform, hint: 'Use TypeScript functions, or a handler that Python runs.' },
    );
  }
  const { minSize = handler.batching?.minSize, maxSize = handler.batching?.maxSize } =
    batching ?? {};
  return localInferenceStep({
    handler,
    batching: {
      ...handler.batching,
      ...(minSize === undefined ? {} : { minSize }),
      ...(maxSize === undefined ? {} : { maxSize }),
    },
    types,
    hasFailures: deadLetters !== undefined,
    inferenceArgs: options.inferenceArgs ?? {},
    metricsNamespace,
  });
}
