// SPDX-License-Identifier: Apache-2.0
// What runners ask about windows: which an element is in, which merge, which a side input is read in.

import { BeamBridgeError } from '../../base/index.ts';
import { FUNCTION_URNS, type RegisteredParDo, type WindowFn } from '../../pipeline/index.ts';
import { pb } from '../../proto/index.ts';
import { type BuildContext, mainInputs, onlyOutput, registered } from './build-parts.ts';
import { payloadOf } from './descriptor.ts';
import type { Operator } from './operator.ts';
import { AssignWindows } from './operators/assign-windows.ts';
import { mapWindow, mergeWindows, WindowQuestion } from './operators/windows.ts';
import { windowFnFromProto } from './window-fns.ts';
import { WindowKinds } from './window-kinds.ts';

export function assignWindows(
  id: string,
  transform: pb.PTransform,
  context: BuildContext,
): Operator {
  const { view } = context;
  const { windowFn } = payloadOf(pb.WindowIntoPayloadSchema, transform);
  const out = onlyOutput(transform, context);
  const assign = windowFnFromProto(windowFn, view.functions);
  const info = view.transformInfo(id);
  // Beam's own make their own kind.
  const kinds =
    windowFn?.urn === FUNCTION_URNS.windowFn
      ? new WindowKinds(() => assign.windowCoder(), 'an element, by assignWindows', info)
      : undefined;
  return new AssignWindows(id, mainInputs(transform), assign, kinds, out, info);
}

export function mergeWindowsOf(
  id: string,
  transform: pb.PTransform,
  context: BuildContext,
): Operator {
  const spec = payloadOf(pb.FunctionSpecSchema, transform);
  const windowFn = windowFnFromProto(spec, context.view.functions);
  return windowQuestion(id, transform, context, mergeWindows(windowFn));
}

export function mapWindows(id: string, transform: pb.PTransform, context: BuildContext): Operator {
  const spec = payloadOf(pb.FunctionSpecSchema, transform);
  const { sideInputs } = registered<RegisteredParDo>(
    spec,
    FUNCTION_URNS.windowMappingFn,
    id,
    context,
  );
  const windowFns = new Set<WindowFn>(
    [...sideInputs.values()].map(({ pcoll }) => pcoll.node.windowing.windowFn),
  );
  const [windowFn, another] = windowFns;
  if (windowFn && !another) return windowQuestion(id, transform, context, mapWindow(windowFn));
  throw new BeamBridgeError(
    'UNSUPPORTED',
    'this runner cannot tell side inputs with different windows apart',
    {
      ...context.view.transformInfo(id),
      hint: 'Put all side inputs of one transform into the same windows.',
    },
  );
}

function windowQuestion(
  id: string,
  transform: pb.PTransform,
  context: BuildContext,
  answer: (question: unknown) => unknown,
): Operator {
  const out = onlyOutput(transform, context);
  return new WindowQuestion(id, mainInputs(transform), answer, out, context.view.transformInfo(id));
}
