// SPDX-License-Identifier: Apache-2.0
// What all builders of operators need: inputs, outputs, and the user's functions by their keys.

import { BeamBridgeError } from '../../base/index.ts';
import type { pb } from '../../proto/index.ts';
import { type DescriptorView, functionKey, sideInputTags } from './descriptor.ts';
import type { Operator, Receiver } from './operator.ts';
import type { BundleScope } from './scope.ts';
import type { SideInputCache } from './side-input-cache.ts';

/** What operators are built from. */
export interface BuildContext {
  readonly view: DescriptorView;
  readonly scope: BundleScope;
  readonly cache: SideInputCache;
  receiver(pcollectionId: string): Receiver;
}

/** Makes the operator of a transform. */
export type Factory = (id: string, transform: pb.PTransform, context: BuildContext) => Operator;

/** The inputs that are no side inputs. */
export function mainInputs(transform: pb.PTransform): string[] {
  const sides = sideInputTags(transform);
  return Object.entries(transform.inputs)
    .filter(([tag]) => !sides.has(tag))
    .map(([, id]) => id);
}

export function only(ids: Record<string, string>, what: string): string {
  const [first, second] = Object.values(ids);
  if (first !== undefined && second === undefined) return first;
  throw new BeamBridgeError('HARNESS_PROTOCOL', `a transform must have exactly one ${what}`);
}

export function onlyOutput(transform: pb.PTransform, context: BuildContext): Receiver {
  return context.receiver(only(transform.outputs, 'output'));
}

/** The function that a payload names. @throws `UNSUPPORTED`, `FUNCTION_NOT_FOUND` */
export function registered<T>(
  spec: pb.FunctionSpec | undefined,
  urn: string,
  id: string,
  { view }: BuildContext,
): T {
  const info = view.transformInfo(id);
  if (spec?.urn !== urn) {
    throw new BeamBridgeError(
      'UNSUPPORTED',
      `${spec?.urn ?? '(no URN)'} is a function of another SDK`,
      {
        ...info,
        hint: 'The runner sent it to the wrong environment.',
      },
    );
  }
  const key = functionKey(spec.payload);
  const found = view.functions.get(key);
  if (found !== undefined) return found as T;
  throw new BeamBridgeError(
    'FUNCTION_NOT_FOUND',
    `this program has no function ${JSON.stringify(key)}`,
    {
      ...info,
      hint: 'The pipeline came out different when the worker built it: construct it the same way each time.',
    },
  );
}
