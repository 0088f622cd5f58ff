// SPDX-License-Identifier: Apache-2.0
// The steps in which runners take a combine.

import { FUNCTION_URNS } from '../../pipeline/index.ts';
import { pb } from '../../proto/index.ts';
import type { RegisteredCombine } from '../../transforms/index.ts';
import {
  type BuildContext,
  type Factory,
  mainInputs,
  only,
  onlyOutput,
  registered,
} from './build-parts.ts';
import { payloadOf } from './descriptor.ts';
import type { Operator } from './operator.ts';
import { CombineStep, combineGroupedValues } from './operators/combine.ts';
import { Precombine } from './operators/precombine.ts';

function combineOf(id: string, transform: pb.PTransform, context: BuildContext) {
  const { combineFn } = payloadOf(pb.CombinePayloadSchema, transform);
  return find(combineFn, id, context);
}

function find(spec: pb.FunctionSpec | undefined, id: string, context: BuildContext) {
  const found = registered<RegisteredCombine>(spec, FUNCTION_URNS.combineFn, id, context);
  return {
    combineFn: found.combineFn,
    info: { transform: found.transform, appliedAt: found.appliedAt },
  };
}

export function combineStep(step: ConstructorParameters<typeof CombineStep>[3]): Factory {
  return (id, transform, context) => {
    const { combineFn, info } = combineOf(id, transform, context);
    const out = onlyOutput(transform, context);
    return new CombineStep(id, mainInputs(transform), combineFn, step, out, info);
  };
}

/** A ParDo that combines grouped inputs, for runners that know no other step which does. */
export function combineInParDo(
  id: string,
  transform: pb.PTransform,
  doFn: pb.FunctionSpec,
  context: BuildContext,
): Operator {
  const { combineFn, info } = find(doFn, id, context);
  const out = onlyOutput(transform, context);
  return new CombineStep(id, mainInputs(transform), combineFn, combineGroupedValues, out, info);
}

export function precombine(id: string, transform: pb.PTransform, context: BuildContext): Operator {
  const { view } = context;
  const { combineFn, info } = combineOf(id, transform, context);
  const input = only(transform.inputs, 'input');
  const options = {
    combineFn,
    keyCoder: view.kvCoder(input).key,
    windowCoder: view.windowCoder(input),
    keepsLatest: view.windowing(input).outputTime === pb.OutputTime_Enum.LATEST_IN_PANE,
  };
  return new Precombine(id, [input], options, onlyOutput(transform, context), info);
}
