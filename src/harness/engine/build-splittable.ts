// SPDX-License-Identifier: Apache-2.0
// The operators that a splittable DoFn is made of, each by the URN that a runner gives it.

import { BeamBridgeError, ByteWriter } from '../../base/index.ts';
import type { Coder, WindowedValue } from '../../coders/index.ts';
import type { AnyFunction, AnySplittableDoFn } from '../../pipeline/index.ts';
import { type pb, urns } from '../../proto/index.ts';
import { type DescriptorView, remotePort } from './descriptor.ts';
import { DoFnInstance } from './do-fn-instances.ts';
import type { TransformInfo } from './errors.ts';
import type { Operator } from './operator.ts';
import type { ParDoParts } from './operators/par-do.ts';
import type { ElementParts } from './operators/restriction-run.ts';
import { SplittableProcess } from './operators/splittable-process.ts';
import {
  pairWithRestriction,
  SplittableStep,
  splitAndSize,
  truncate,
} from './operators/splittable-steps.ts';
import type { BundleScope } from './scope.ts';

const S = urns.StandardPTransforms_SplittableParDoComponents;

/** URNs of the parts in which runners take a splittable DoFn. */
export const SPLITTABLE_URNS: readonly string[] = Object.values(S);

const STEPS = new Map<string, (doFn: AnySplittableDoFn) => AnyFunction>([
  [S.PAIR_WITH_RESTRICTION, pairWithRestriction],
  [S.SPLIT_AND_SIZE_RESTRICTIONS, splitAndSize],
  [S.TRUNCATE_SIZED_RESTRICTION, truncate],
]);

/** Whether a URN is one of the steps before `process`, which output elements with restrictions. */
export function isSplittableStep(urn: string): boolean {
  return STEPS.has(urn);
}

/** @throws `UNSUPPORTED` for a URN that is no part of a splittable DoFn */
export function splittable(
  urn: string,
  transform: pb.PTransform,
  { doFn, goesOn }: { doFn: AnySplittableDoFn; goesOn: boolean },
  parts: ParDoParts,
  view: DescriptorView,
  scope: BundleScope,
): Operator {
  // The instance is asked for the calls around elements only, and those are a DoFn's.
  const instance = DoFnInstance.of(doFn as unknown as DoFnInstance['doFn']);
  const step = STEPS.get(urn);
  if (step) return new SplittableStep(parts, instance, step(doFn));
  if (urn === S.PROCESS_SIZED_ELEMENTS_AND_RESTRICTIONS) {
    return new SplittableProcess(parts, instance, {
      doFn,
      goesOn,
      scope,
      parts: elementParts(transform, parts, view),
    });
  }
  throw new BeamBridgeError('UNSUPPORTED', 'this runner cannot run splittable DoFns', {
    ...parts.info,
    hint: 'Choose a runner that knows beam:requirement:pardo:splittable_dofn:v1, or use a DoFn.',
  });
}

/** Residuals go in where the elements came from, so they are encoded as the data source reads. */
function elementParts(
  transform: pb.PTransform,
  { transformId, inputs, info }: ParDoParts,
  view: DescriptorView,
): ElementParts {
  const input = inputs[0] ?? '';
  const inputId = Object.entries(transform.inputs).find(([, id]) => id === input)?.[0] ?? '';
  const encode = encoderInFrontOf(input, view, info);
  return {
    outputs: Object.keys(transform.outputs),
    application: (part) => ({ transformId, inputId, element: encode(part) }),
  };
}

function encoderInFrontOf(
  pcollectionId: string,
  view: DescriptorView,
  info: TransformInfo,
): (element: WindowedValue<unknown>) => Uint8Array | WindowedValue<unknown> {
  const source = Object.values(view.descriptor.transforms).find(
    ({ spec, outputs }) =>
      spec?.urn === urns.FnApiTransforms_Runner.DATA_SOURCE &&
      Object.values(outputs).includes(pcollectionId),
  );
  if (!source) {
    return () => {
      throw new BeamBridgeError(
        'HARNESS_PROTOCOL',
        'what is left of an element has nowhere to go: another transform of the stage comes before',
        {
          ...info,
          hint: 'A runner must begin a stage with the process step of a splittable DoFn.',
        },
      );
    };
  }
  const { coderId } = remotePort(source);
  if (!coderId) return (element) => element;
  const coder = view.coder(coderId) as Coder<WindowedValue<unknown>>;
  return (element) => {
    const out = new ByteWriter();
    try {
      coder.encode(element, out, true);
    } catch (error) {
      throw BeamBridgeError.from(error, 'CODER_MISMATCH').with({ ...info });
    }
    return out.take();
  };
}
