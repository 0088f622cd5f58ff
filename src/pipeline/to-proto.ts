// SPDX-License-Identifier: Apache-2.0
// The graph as Beam's Pipeline message, the form in which runners take it.

import { BeamBridgeError, latin1 } from '../base/index.ts';
import { type Coder, coderToProto } from '../coders/index.ts';
import { create, type MessageInitShape, pb, toBinary } from '../proto/index.ts';
import type { PCollectionNode, Pipeline, ProtoContext, TransformNode } from './graph.ts';
import { FUNCTION_URNS } from './urns.ts';
import type { WindowingStrategy } from './windowing.ts';

/** Id of the environment of this program's own functions in every pipeline message. */
export const TYPESCRIPT_ENVIRONMENT = 'typescript';

const TIMESTAMP_COMBINERS = {
  earliest: pb.OutputTime_Enum.EARLIEST_IN_PANE,
  latest: pb.OutputTime_Enum.LATEST_IN_PANE,
  endOfWindow: pb.OutputTime_Enum.END_OF_WINDOW,
} as const;

const CLOSING = {
  emitAlways: pb.ClosingBehavior_Enum.EMIT_ALWAYS,
  emitIfNonEmpty: pb.ClosingBehavior_Enum.EMIT_IF_NONEMPTY,
} as const;

const ON_TIME = {
  fireAlways: pb.OnTimeBehavior_Enum.FIRE_ALWAYS,
  fireIfNonEmpty: pb.OnTimeBehavior_Enum.FIRE_IF_NONEMPTY,
} as const;

/** Collects coders and windowing strategies under stable ids while a graph is converted. */
export class ProtoBuilder implements ProtoContext {
  readonly components = create(pb.ComponentsSchema);
  readonly environmentId = TYPESCRIPT_ENVIRONMENT;
  private readonly ids = new Map<string, string>();

  constructor(
    private readonly functions: Pipeline['functions'] = new Map(),
    /** Starts the ids of coders and windowing strategies, so that they differ from another builder's. */
    private readonly idPrefix = '',
  ) {}

  coderId(coder: Coder<unknown>): string {
    return coderToProto(coder, (message) =>
      this.intern('c', toBinary(pb.CoderSchema, message), (id) => {
        this.components.coders[id] = message;
      }),
    );
  }

  windowingStrategyId(strategy: WindowingStrategy): string {
    const { windowFn } = strategy;
    const spec = windowFn.toProto() ?? {
      urn: FUNCTION_URNS.windowFn,
      payload: this.windowFnKey(strategy),
    };
    const message = create(pb.WindowingStrategySchema, {
      windowFn: spec,
      windowCoderId: this.coderId(windowFn.windowCoder() as Coder<unknown>),
      mergeStatus: windowFn.isMerging()
        ? pb.MergeStatus_Enum.NEEDS_MERGE
        : pb.MergeStatus_Enum.NON_MERGING,
      trigger: strategy.trigger,
      accumulationMode:
        strategy.accumulationMode === 'accumulating'
          ? pb.AccumulationMode_Enum.ACCUMULATING
          : pb.AccumulationMode_Enum.DISCARDING,
      outputTime: TIMESTAMP_COMBINERS[strategy.timestampCombiner],
      closingBehavior: CLOSING[strategy.closingBehavior],
      onTimeBehavior: ON_TIME[strategy.onTimeBehavior],
      allowedLateness: BigInt(strategy.allowedLateness),
      assignsToOneWindow: windowFn.assignsToOneWindow(),
      environmentId: windowFn.toProto() ? '' : this.environmentId,
    });
    return this.intern('w', toBinary(pb.WindowingStrategySchema, message), (id) => {
      this.components.windowingStrategies[id] = message;
    });
  }

  pcollection(node: PCollectionNode): void {
    this.components.pcollections[node.id] = create(pb.PCollectionSchema, {
      uniqueName: node.name,
      coderId: this.coderId(node.coder),
      windowingStrategyId: this.windowingStrategyId(node.windowing),
      isBounded: node.bounded ? pb.IsBounded_Enum.BOUNDED : pb.IsBounded_Enum.UNBOUNDED,
    });
  }

  transform(node: TransformNode): void {
    const { spec } = node;
    const payload = typeof spec?.payload === 'function' ? spec.payload(this) : spec?.payload;
    const message: MessageInitShape<typeof pb.PTransformSchema> = {
      uniqueName: node.name,
      inputs: ids(node.inputs),
      outputs: ids(node.outputs),
      subtransforms: node.children.map((child) => child.id),
      environmentId: node.needsEnvironment ? this.environmentId : '',
      annotations: Object.fromEntries(node.annotations),
    };
    if (spec) message.spec = { urn: spec.urn, payload: payload ?? new Uint8Array() };
    this.components.transforms[node.id] = create(pb.PTransformSchema, message);
  }

  private windowFnKey(strategy: WindowingStrategy): Uint8Array {
    for (const [key, value] of this.functions) {
      if (value === strategy.windowFn) return Buffer.from(key, 'utf8');
    }
    throw new BeamBridgeError('INTERNAL', 'a window function was never registered');
  }

  private intern(prefix: string, bytes: Uint8Array, add: (id: string) => void): string {
    const key = prefix + latin1(bytes);
    const known = this.ids.get(key);
    if (known) return known;
    const id = this.nameOf(prefix, bytes, this.ids.size + 1);
    this.ids.set(key, id);
    add(id);
    return id;
  }

  /** The id of the `number`th coder or windowing strategy that is no repetition. */
  protected nameOf(prefix: string, _bytes: Uint8Array, number: number): string {
    return `${this.idPrefix}${prefix}${number}`;
  }
}

function ids(nodes: ReadonlyMap<string, PCollectionNode>): Record<string, string> {
  return Object.fromEntries([...nodes].map(([tag, node]) => [tag, node.id]));
}

/**
 * The graph as a message. Cross-language transforms in it are still single transforms with their
 * external URN: src/external replaces them by their expansions.
 *
 * @throws `EMPTY_PIPELINE` when nothing was applied
 */
export function pipelineToProto(
  pipeline: Pipeline,
  environment: MessageInitShape<typeof pb.EnvironmentSchema>,
): pb.Pipeline {
  if (pipeline.transforms.length === 0) {
    throw new BeamBridgeError('EMPTY_PIPELINE', 'the pipeline has nothing in it', {
      hint: 'Apply a source such as readFromText(…) or create([…]) to the root.',
    });
  }
  const builder = new ProtoBuilder(pipeline.functions);
  for (const node of pipeline.pcollections) builder.pcollection(node);
  for (const node of pipeline.transforms) builder.transform(node);
  builder.components.environments[TYPESCRIPT_ENVIRONMENT] = create(
    pb.EnvironmentSchema,
    environment,
  );
  return create(pb.PipelineSchema, {
    components: builder.components,
    rootTransformIds: pipeline.roots.map((node) => node.id),
    requirements: [...new Set(pipeline.transforms.flatMap((node) => [...node.requirements]))],
  });
}
