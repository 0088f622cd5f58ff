// SPDX-License-Identifier: Apache-2.0
// What handlers give for examples, one by one: predictions, and the codes of failures in their places.

import { type ModelHandler, RunInference } from '../../src/ml/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import { int64, row } from '../../src/schema/index.ts';
import { create } from '../../src/transforms/index.ts';

/** What becomes of each example of each handler: its prediction, or the code of its failure. */
export async function outcomes(
  handlers: readonly ModelHandler<unknown, unknown>[],
  examples: readonly (readonly unknown[])[],
  runner: 'node' | 'direct' = 'node',
): Promise<unknown[][]> {
  const out: unknown[][] = handlers.map(() => []);
  await createRunner({ runner }).run((root) => {
    handlers.forEach((handler, at) => {
      const keyed = examples[at]!.map((value, key) => ({ key, value }));
      const { predictions, failed } = root
        .apply(create(keyed, { schema: row({ key: int64, value: handler.example }) } as never))
        .map((pair) => pair as { key: number; value: never })
        .apply(RunInference.ofKVs(handler, int64).withDeadLetters({ threshold: 1 }));
      predictions.map(({ key, value }) => {
        out[at]![key as number] = value.inference;
      });
      failed.map(({ element, errorType }) => {
        out[at]![(element as { key: number }).key] = errorType;
      });
    });
  });
  return out;
}
