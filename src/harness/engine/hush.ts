// SPDX-License-Identifier: Apache-2.0
// Outputs that are promises, or hold some, and have to wait for their turn.

import { TaggedOutput, TimestampedValue } from '../../pipeline/index.ts';

export function isWrapped(
  output: unknown,
): output is TaggedOutput<unknown> | TimestampedValue<unknown> {
  return output instanceof TaggedOutput || output instanceof TimestampedValue;
}

/**
 * Takes note of promises that may be rejected before their turn comes, or never have one: nobody would
 * be listening, which ends the program. Their own turn still tells.
 */
export function hush(outputs: readonly unknown[], from: number): void {
  for (let i = from; i < outputs.length; i++) {
    let output = outputs[i];
    if (typeof output !== 'object') continue;
    while (isWrapped(output)) {
      output = output.value as unknown;
    }
    // Outputs of finishBundle are whole elements.
    if (output !== null && typeof output === 'object' && 'value' in output && 'windows' in output) {
      output = (output as { value: unknown }).value;
    }
    // Other thenables may begin their work when they are asked, and are asked once.
    if (output instanceof Promise) output.catch(() => {});
  }
}
