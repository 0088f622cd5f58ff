// SPDX-License-Identifier: Apache-2.0
// ParDos: the user's function with its side inputs, states, timers and outputs.

import { BeamBridgeError } from '../../base/index.ts';
import { type AnyFunction, FUNCTION_URNS, type RegisteredParDo } from '../../pipeline/index.ts';
import { pb } from '../../proto/index.ts';
import { combineInParDo } from './build-combine.ts';
import { type BuildContext, mainInputs, registered } from './build-parts.ts';
import { isSplittableStep, splittable } from './build-splittable.ts';
import { BoundContext } from './context.ts';
import { Declared } from './declared.ts';
import { payloadOf } from './descriptor.ts';
import { type AnyDoFn, DoFnInstance } from './do-fn-instances.ts';
import { Emitter } from './emit.ts';
import { type TransformInfo, userError } from './errors.ts';
import { UserMetrics } from './metrics.ts';
import type { Operator, Taker } from './operator.ts';
import { DoFnOperator } from './operators/do-fn.ts';
import { FilterOperator } from './operators/filter.ts';
import { FlatMapOperator } from './operators/flat-map.ts';
import { MapOperator } from './operators/map.ts';
import type { ParDoParts } from './operators/par-do.ts';
import { StatefulDoFnOperator } from './operators/stateful-do-fn.ts';
import { SideInputs } from './side-inputs.ts';
import { UserStates } from './user-state.ts';
import { UserTimers } from './user-timers.ts';
import { WindowKinds } from './window-kinds.ts';

export function parDo(id: string, transform: pb.PTransform, context: BuildContext): Operator {
  const { view, scope, cache } = context;
  const payload = payloadOf(pb.ParDoPayloadSchema, transform);
  if (payload.doFn?.urn === FUNCTION_URNS.combineFn) {
    return combineInParDo(id, transform, payload.doFn, context);
  }
  const goesOn = payload.doFn?.urn === FUNCTION_URNS.wholeDoFn;
  const functionUrn = goesOn ? FUNCTION_URNS.wholeDoFn : FUNCTION_URNS.doFn;
  const fn = registered<RegisteredParDo>(payload.doFn, functionUrn, id, context);
  const info = { transform: fn.transform, appliedAt: fn.appliedAt };
  const urn = transform.spec?.urn ?? '';
  const isStep = isSplittableStep(urn);
  const outputs = new Map(
    Object.entries(transform.outputs).map(([tag, pc]): [string, Taker] => {
      const receiver = context.receiver(pc);
      // The steps before a splittable DoFn's process have outputs of the runner's.
      const coder = isStep ? undefined : fn.declared.get(tag);
      return [tag, coder ? new Declared(receiver, coder, info) : receiver];
    }),
  );
  const sideInputs =
    fn.sideInputs.size > 0 && !isStep
      ? new SideInputs(id, transform, fn, view, scope, cache, info)
      : undefined;
  const stateful = stateAndTimers(id, transform, fn, context);
  const metrics = new UserMetrics(id, fn.transform);
  const inputs = mainInputs(transform);
  const windowCoder = () => view.windowCoder(inputs[0] ?? '');
  const parts: ParDoParts = {
    transformId: id,
    inputs,
    scope,
    windowKinds: new WindowKinds(windowCoder, 'an output of finishBundle', info),
    info,
    sideInputs,
    metrics,
    context: new BoundContext(
      isStep ? undefined : fn.user.context,
      sideInputs,
      metrics,
      scope,
      info,
      stateful?.states,
      stateful?.timers,
    ),
    // The steps before a splittable DoFn's process have one output, which the runner names.
    emitter: new Emitter(
      outputs,
      isStep ? ([...outputs.keys()][0] ?? '') : fn.mainTag,
      info,
      scope,
    ),
  };
  const { user } = fn;
  switch (user.kind) {
    case 'map':
      return new MapOperator(parts, callable(user.fn, user.context));
    case 'flatMap':
      return new FlatMapOperator(parts, callable(user.fn, user.context));
    case 'filter':
      return new FilterOperator(parts, callable(user.fn, user.context));
    case 'doFn': {
      const instance = DoFnInstance.of(ownDoFn(user.doFn, info));
      return stateful
        ? new StatefulDoFnOperator(parts, instance, stateful.states, stateful.timers)
        : new DoFnOperator(parts, instance);
    }
    case 'splittable':
      return splittable(urn, transform, { doFn: user.doFn, goesOn }, parts, view, scope);
  }
}

/** The object that one plan, which has one bundle at a time, uses of a DoFn. */
function ownDoFn(doFn: AnyDoFn, info: TransformInfo): AnyDoFn {
  if (!doFn.forBundle) return doFn;
  let own: unknown;
  try {
    own = doFn.forBundle();
  } catch (error) {
    throw userError(error, info);
  }
  if (typeof (own as Partial<AnyDoFn> | undefined)?.process === 'function') return own as AnyDoFn;
  throw new BeamBridgeError('USER_CODE_FAILED', 'forBundle gave no DoFn', {
    ...info,
    hint: 'It makes a new object of the same kind each time, and gives no promise of one.',
  });
}

/** Without a context the element is the only argument: `map(console.log)` prints it and no more. */
function callable(fn: AnyFunction, context: unknown): AnyFunction {
  return context === undefined ? (element) => (fn as (element: unknown) => unknown)(element) : fn;
}

/** The states and timers of a ParDo that has some. */
function stateAndTimers(
  id: string,
  transform: pb.PTransform,
  fn: RegisteredParDo,
  { view, scope }: BuildContext,
) {
  if (fn.states.size + fn.timers.size === 0) return undefined;
  const input = mainInputs(transform)[0] ?? '';
  return {
    states: new UserStates(id, view.kvCoder(input).key, view.windowCoder(input), scope),
    timers: new UserTimers(
      id,
      fn.timers,
      fn.timerCoder,
      scope,
      Number(view.windowing(input).allowedLateness),
    ),
  };
}
