// SPDX-License-Identifier: Apache-2.0
// A pipeline needs Python on a machine that has none: who needs it, and what does without.

import { BeamBridgeError } from '../base/index.ts';
import type { Pipeline } from '../pipeline/index.ts';

/** The error with the transform that needs Python and ways around it; others as they are. */
export function whyPython(thrown: unknown, pipeline: Pipeline): unknown {
  if (!(thrown instanceof BeamBridgeError) || thrown.code !== 'PYTHON_NOT_FOUND') return thrown;
  const external = pipeline.transforms.find((node) => node.external);
  const { shortMessage, detail, cause } = thrown;
  if (!external) {
    return new BeamBridgeError('PYTHON_NOT_FOUND', `${shortMessage}, and this runner needs one`, {
      detail,
      cause,
      hint: `${thrown.hint ?? ''} Nothing in the pipeline itself needs Python: runner: 'node' runs it without.`,
    });
  }
  return new BeamBridgeError(
    'PYTHON_NOT_FOUND',
    `${shortMessage}, and a transform of this pipeline runs in Python`,
    {
      ...external.errorDetails,
      detail,
      cause,
      hint: [
        thrown.hint,
        "A test needs no Python: withTestModel((examples) => predictions, () => runner.run(…)) of beambridge/testing stands in for a RunInference, with runner: 'node'.",
        'So does production with a step in TypeScript, map or parDo, in place of the transform.',
      ].join(' '),
    },
  );
}
