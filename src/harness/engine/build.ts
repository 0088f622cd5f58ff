// SPDX-License-Identifier: Apache-2.0
// From a transform's URN to the operator that runs it.

import { BeamBridgeError } from '../../base/index.ts';
import type { Coder, WindowedValue } from '../../coders/index.ts';
import { type pb, urns } from '../../proto/index.ts';
import { combineStep, precombine } from './build-combine.ts';
import { parDo } from './build-par-do.ts';
import { type BuildContext, type Factory, mainInputs, only, onlyOutput } from './build-parts.ts';
import { SPLITTABLE_URNS } from './build-splittable.ts';
import { assignWindows, mapWindows, mergeWindowsOf } from './build-windows.ts';
import { remotePort } from './descriptor.ts';
import type { Operator } from './operator.ts';
import {
  combineGroupedValues,
  convertToAccumulator,
  extractOutput,
  mergeAccumulators,
} from './operators/combine.ts';
import { DataSink } from './operators/data-sink.ts';
import { DataSource } from './operators/data-source.ts';
import { ElementSink } from './operators/element-sink.ts';
import { Flatten } from './operators/flatten.ts';

const P = urns.StandardPTransforms_Primitives;
const C = urns.StandardPTransforms_CombineComponents;

const factories = new Map<string, Factory>([
  [urns.FnApiTransforms_Runner.DATA_SOURCE, dataSource],
  [urns.FnApiTransforms_Runner.DATA_SINK, dataSink],
  [P.PAR_DO, parDo],
  ...SPLITTABLE_URNS.map((urn): [string, Factory] => [urn, parDo]),
  [
    P.FLATTEN,
    (id, transform, c) => new Flatten(id, mainInputs(transform), onlyOutput(transform, c)),
  ],
  [P.ASSIGN_WINDOWS, assignWindows],
  [P.MAP_WINDOWS, mapWindows],
  [P.MERGE_WINDOWS, mergeWindowsOf],
  [C.COMBINE_PER_KEY_PRECOMBINE, precombine],
  [C.COMBINE_PER_KEY_MERGE_ACCUMULATORS, combineStep(mergeAccumulators)],
  [C.COMBINE_PER_KEY_EXTRACT_OUTPUTS, combineStep(extractOutput)],
  [C.COMBINE_PER_KEY_CONVERT_TO_ACCUMULATORS, combineStep(convertToAccumulator)],
  [C.COMBINE_GROUPED_VALUES, combineStep(combineGroupedValues)],
]);

/** @throws `UNSUPPORTED` when a transform cannot run in TypeScript */
export function buildOperator(id: string, context: BuildContext): Operator {
  const transform = context.view.transform(id);
  const urn = transform.spec?.urn ?? '';
  const factory = factories.get(urn);
  if (factory) return factory(id, transform, context);
  throw new BeamBridgeError(
    'UNSUPPORTED',
    `the TypeScript harness cannot run ${urn || '(no URN)'}`,
    {
      ...context.view.transformInfo(id),
      hint: 'A runner must run this transform itself, or send it to the environment of its SDK.',
    },
  );
}

/**
 * The coder of elements together with their windows, as they travel to and from the runner; none
 * where they stay in this process.
 */
function wireCoder(transform: pb.PTransform, { view }: BuildContext) {
  const { coderId } = remotePort(transform);
  return coderId ? (view.coder(coderId) as Coder<WindowedValue<unknown>>) : undefined;
}

function dataSource(id: string, transform: pb.PTransform, context: BuildContext): Operator {
  const coder = wireCoder(transform, context);
  const out = onlyOutput(transform, context);
  return new DataSource(id, coder, out, context.view.transformInfo(id));
}

function dataSink(id: string, transform: pb.PTransform, context: BuildContext): Operator {
  const coder = wireCoder(transform, context);
  const input = only(transform.inputs, 'input');
  if (!coder) return new ElementSink(id, [input], context.scope);
  const producer = context.view.producerInfo(input);
  return new DataSink(id, [input], coder, context.scope, producer);
}
