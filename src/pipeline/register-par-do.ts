// SPDX-License-Identifier: Apache-2.0
// What a pipeline keeps of a ParDo: the user's function under a key, and the payload that names it.

import { BeamBridgeError } from '../base/index.ts';
import type { Coder, Timer } from '../coders/index.ts';
import { create, pb, toBinary, urns } from '../proto/index.ts';
import { type DoFn, stableInput } from './do-fn.ts';
import type { Pipeline, TransformNode } from './graph.ts';
import {
  BundleFinalizerParam,
  nameSideInputs,
  ParDoParam,
  paramsOf,
  type SideInputParam,
} from './params.ts';
import { PCollection } from './pvalue.ts';
import { type AnySplittableDoFn, restrictionSpec } from './splittable.ts';
import type { StateParam } from './state.ts';
import { nameStateAndTimers } from './stateful.ts';
import type { TimerParam } from './timers.ts';
import { FUNCTION_URNS } from './urns.ts';

/** A user's function once its types are no longer known. */
export type AnyFunction = (element: unknown, context: unknown) => unknown;

/** The user's part of a ParDo. Contexts are templates, not yet bound to a bundle. */
export type UserFunction =
  | { kind: 'map' | 'flatMap' | 'filter'; fn: AnyFunction; context?: unknown }
  | { kind: 'doFn'; doFn: DoFn<unknown, unknown, unknown>; context?: unknown }
  | { kind: 'splittable'; doFn: AnySplittableDoFn; context?: unknown };

/** What is registered under a ParDo's key: all that the bundle engine needs to run it. */
export interface RegisteredParDo {
  readonly user: UserFunction;
  readonly mainTag: string;
  /** By tag, the coders of outputs whose type the program declared: each element is checked. */
  readonly declared: ReadonlyMap<string, Coder<unknown>>;
  readonly sideInputs: ReadonlyMap<string, SideInputParam<unknown, unknown>>;
  readonly states: ReadonlyMap<string, StateParam>;
  readonly timers: ReadonlyMap<string, TimerParam>;
  /** Of all its timers; undefined without any. */
  readonly timerCoder: Coder<Timer<unknown>> | undefined;
  readonly transform: string;
  readonly appliedAt: string | undefined;
}

/** Whoever is used to another SDK hands over what a side input is made of. */
function refuseCollections(context: unknown, node: TransformNode): void {
  if (context instanceof ParDoParam) return;
  const fields: [string, unknown][] =
    context instanceof PCollection ? [['', context]] : Object.entries(context ?? {});
  for (const [name, value] of fields) {
    if (!(value instanceof PCollection)) continue;
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `${name ? `${name} of the context` : 'the context'} is a PCollection, of which a function sees no contents`,
      {
        ...node.errorDetails,
        hint: 'Wrap it: singletonSideInput(x) for its one element, listSideInput(x) or iterableSideInput(x) for all, mapSideInput(x) to look up by key; the function reads it by lookup().',
      },
    );
  }
}

/** Registers the function, connects its side inputs, and sets the node's spec. */
export function applyParDo(
  user: UserFunction,
  input: PCollection<unknown>,
  pipeline: Pipeline,
  node: TransformNode,
  mainTag: string,
  declared: ReadonlyMap<string, Coder<unknown>> = new Map(),
): void {
  checkFunction(user, node);
  refuseCollections(user.context, node);
  const restriction =
    user.kind === 'splittable' ? restrictionSpec(user.doFn, user.context, node) : undefined;
  const { context: withSides, sideInputs } = nameSideInputs(user.context);
  const { context, states, timers, timerCoder, specs } = nameStateAndTimers(
    withSides,
    user,
    input,
    node,
  );
  for (const [id, { pcoll }] of sideInputs) {
    if (pcoll.pipeline !== input.pipeline) {
      throw new BeamBridgeError('INVALID_ARGUMENT', 'a side input belongs to another pipeline');
    }
    if (pcoll.node.windowing.windowFn.isMerging()) {
      throw new BeamBridgeError(
        'UNSUPPORTED',
        'a side input in windows that merge matches no window',
        {
          ...node.errorDetails,
          hint: 'Put the side input into global or fixed windows with windowInto.',
        },
      );
    }
    node.inputs.set(id, pcoll.node);
  }
  const requestsFinalization = paramsOf(user.context).some(
    ([, param]) => param instanceof BundleFinalizerParam,
  );
  if (requestsFinalization) {
    node.requirements.add(urns.StandardRequirements_Enum.REQUIRES_BUNDLE_FINALIZATION);
  }
  const requiresStableInput =
    user.kind === 'doFn' && (user.doFn as Partial<DoFn<unknown, unknown>>)[stableInput] === true;
  if (requiresStableInput) {
    node.requirements.add(urns.StandardRequirements_Enum.REQUIRES_STABLE_INPUT);
  }
  const registered: RegisteredParDo = {
    user: { ...user, context },
    mainTag,
    declared,
    sideInputs,
    states,
    timers,
    timerCoder,
    transform: node.name,
    appliedAt: node.appliedAt,
  };
  const key = pipeline.addFunction(node, registered);
  node.needsEnvironment = true;
  node.spec = {
    urn: urns.StandardPTransforms_Primitives.PAR_DO,
    payload: (proto) =>
      toBinary(
        pb.ParDoPayloadSchema,
        create(pb.ParDoPayloadSchema, {
          doFn: { urn: FUNCTION_URNS.doFn, payload: key },
          requestsFinalization,
          requiresStableInput,
          ...specs(proto),
          ...restriction?.(proto),
          sideInputs: Object.fromEntries(
            [...sideInputs.keys()].map((id) => [
              id,
              {
                accessPattern: { urn: urns.StandardSideInputTypes_Enum.ITERABLE },
                viewFn: { urn: FUNCTION_URNS.viewFn, payload: key },
                windowMappingFn: { urn: FUNCTION_URNS.windowMappingFn, payload: key },
              },
            ]),
          ),
        }),
      ),
  };
}

function checkFunction(user: UserFunction, node: TransformNode): void {
  const given =
    'doFn' in user ? (user.doFn as { process?: unknown } | undefined)?.process : user.fn;
  if (typeof given === 'function') return;
  throw new BeamBridgeError(
    'INVALID_ARGUMENT',
    'doFn' in user ? 'the DoFn has no process method' : `${user.kind} was given no function`,
    {
      ...node.errorDetails,
      hint: 'Pass a function, or for parDo an object with a process(element) method.',
    },
  );
}
