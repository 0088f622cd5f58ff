// SPDX-License-Identifier: Apache-2.0
// Errors of user code with the transform that they happened in.

import { BeamBridgeError } from '../../base/index.ts';

/** Which transform an error belongs to. */
export interface TransformInfo {
  readonly transform: string;
  readonly appliedAt?: string | undefined;
}

/**
 * What a user's function threw, as the error that a run rejects with. Errors that already carry a
 * code keep it and gain the transform.
 */
export function userError(thrown: unknown, { transform, appliedAt }: TransformInfo) {
  if (thrown instanceof BeamBridgeError) return thrown.with({ transform, appliedAt });
  const said = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
  const detail = thrown instanceof Error ? userFrames(thrown) : undefined;
  return new BeamBridgeError('USER_CODE_FAILED', said, {
    transform,
    appliedAt,
    detail,
    cause: thrown,
  });
}

/** A combiner that turned out to be async: its promise would be taken for the value. */
export function asyncCombiner({ transform, appliedAt }: TransformInfo) {
  return new BeamBridgeError('UNSUPPORTED', 'a method of the combiner returned a promise', {
    transform,
    appliedAt,
    hint: 'Combiners run in the innermost loop and are synchronous: await in a map before the combine, or after it.',
  });
}

const FRAMES_SHOWN = 5;

/** The top of the stack as far as it lies in the user's code. */
function userFrames(error: Error): string | undefined {
  const frames = (error.stack ?? '')
    .split('\n')
    .filter((line) => /^\s+at /.test(line) && !line.includes('node:internal'));
  const ours = frames.findIndex((line) => /[\\/]harness[\\/]engine[\\/]/.test(line));
  const shown = (ours < 0 ? frames : frames.slice(0, ours)).slice(0, FRAMES_SHOWN);
  return shown.length > 0 ? shown.map((line) => line.trim()).join('\n') : undefined;
}
