// SPDX-License-Identifier: Apache-2.0
// What may enter a transform in another language: elements and windows that it can read.

import { BeamBridgeError } from '../base/index.ts';
import type { Coder } from '../coders/index.ts';
import type { PCollectionNode, TransformNode } from '../pipeline/index.ts';
import { isPortable } from '../schema/index.ts';

/**
 * Refuses inputs that another SDK cannot read, before anything is sent: Python would fail with a
 * bare KeyError.
 *
 * @throws BeamBridgeError `NO_PORTABLE_TYPE`, `UNSUPPORTED`
 */
export function checkInputs(node: TransformNode): void {
  for (const [tag, input] of node.inputs) {
    if (!isPortable(input.coder)) throw notPortable(node, tag, input);
    if (!input.windowing.windowFn.toProto()) {
      throw new BeamBridgeError(
        'UNSUPPORTED',
        'a window function written in TypeScript cannot enter a cross-language transform',
        { ...node.errorDetails, hint: 'Apply windowInto with a standard window function first.' },
      );
    }
  }
}

function notPortable(node: TransformNode, tag: string, input: PCollectionNode): BeamBridgeError {
  const which = node.inputs.size > 1 ? `input ${JSON.stringify(tag)}, the output of ` : '';
  return new BeamBridgeError(
    'NO_PORTABLE_TYPE',
    `${which}${input.producer.name} has elements that only TypeScript can read (coder ${offender(input.coder).name})`,
    {
      ...node.errorDetails,
      hint: 'Say what they are before this transform: .apply(withRowCoder(row({ … }))) for objects, .apply(withCoder(…)) for a standard coder.',
    },
  );
}

/** The innermost coder that is the reason. */
function offender(coder: Coder<unknown>): Coder<unknown> {
  const part = coder.spec().components?.find((component) => !isPortable(component));
  return part ? offender(part) : coder;
}
