// SPDX-License-Identifier: Apache-2.0
// What can be applied to a PCollection: a class with `expand`, or a plain function.

import { BeamBridgeError } from '../base/index.ts';
import type { Pipeline, TransformNode } from './graph.ts';
import { explicitName, extractName } from './names.ts';
import { checkOutput, checkTransform } from './no-transform.ts';
import { flattenPValue, type PValue, pipelineOf } from './pvalue.ts';

/**
 * A transform as a class: override `expand` and apply other transforms in it.
 *
 * @example
 * ```ts
 * class CountWords extends PTransformClass<PCollection<string>, PCollection<{ element: string; count: number }>> {
 *   override expand(lines: PCollection<string>) {
 *     return lines.flatMap((line) => line.split(' ')).apply(countPerElement());
 *   }
 * }
 * ```
 */
export class PTransformClass<InputT extends PValue, OutputT extends PValue> {
  beamName: string | (() => string);

  constructor(name?: string | (() => string)) {
    this.beamName = name ?? this.constructor.name;
  }

  expand(_input: InputT): OutputT {
    throw new BeamBridgeError('UNSUPPORTED', `${extractName(this)} has no expand method`, {
      hint: 'Override expand(input), or expandAsync(input) and use applyAsync.',
    });
  }

  /** For transforms that must wait for something while the pipeline is built. */
  async expandAsync(input: InputT): Promise<OutputT> {
    return this.expand(input);
  }

  /** For primitives: as `expand`, with the graph and this application's node at hand. @internal */
  expandInternal(input: InputT, _pipeline: Pipeline, _node: TransformNode): OutputT {
    return this.expand(input);
  }

  /** @internal */
  async expandInternalAsync(
    input: InputT,
    pipeline: Pipeline,
    node: TransformNode,
  ): Promise<OutputT> {
    if (this.expandAsync !== PTransformClass.prototype.expandAsync) return this.expandAsync(input);
    return this.expandInternal(input, pipeline, node);
  }
}

/** Anything that `apply` takes: a {@link PTransformClass} or a function of the input. */
export type PTransform<InputT extends PValue, OutputT extends PValue> =
  | PTransformClass<InputT, OutputT>
  | ((input: InputT, pipeline: Pipeline, node: TransformNode) => OutputT);

/** Anything that `applyAsync` takes. */
export type AsyncPTransform<InputT extends PValue, OutputT extends PValue> =
  | PTransformClass<InputT, OutputT>
  | ((input: InputT, pipeline: Pipeline, node: TransformNode) => Promise<OutputT> | OutputT);

function begin(transform: unknown, input: PValue, kind: string): [Pipeline, TransformNode] {
  const pipeline = pipelineOf(input);
  const explicit = explicitName(transform);
  const node = pipeline.addTransform(
    explicit ?? extractName(transform) ?? kind,
    explicit !== undefined,
  );
  for (const [tag, pcoll] of Object.entries(flattenPValue(input))) {
    if (pcoll.pipeline !== pipeline) {
      throw new BeamBridgeError(
        'INVALID_ARGUMENT',
        'a PCollection of another pipeline is an input',
        {
          ...node.errorDetails,
          hint: 'Build both in the function that is given to run().',
        },
      );
    }
    node.inputs.set(tag, pcoll.node);
  }
  return [pipeline, node];
}

function finish<O extends PValue>(node: TransformNode, output: O, transform: unknown): O {
  checkOutput(output, extractName(transform) ?? node.name);
  if (node.outputs.size === 0) {
    for (const [tag, pcoll] of Object.entries(flattenPValue(output ?? undefined))) {
      node.outputs.set(tag, pcoll.node);
    }
  }
  return output;
}

function blame(node: TransformNode, thrown: unknown): unknown {
  return thrown instanceof BeamBridgeError ? thrown.with(node.errorDetails) : thrown;
}

/** Applies a transform and records it in the graph. */
export function applyTransform<I extends PValue, O extends PValue>(
  transform: PTransform<I, O>,
  input: I,
): O {
  checkTransform(transform, 'expandInternal');
  const [pipeline, node] = begin(transform, input, 'transform');
  try {
    const output = pipeline.within(node, () =>
      typeof transform === 'function'
        ? transform(input, pipeline, node)
        : transform.expandInternal(input, pipeline, node),
    );
    return finish(node, output, transform);
  } catch (error) {
    throw blame(node, error);
  }
}

/** As {@link applyTransform}, for transforms whose expansion has to wait. */
export function applyTransformAsync<I extends PValue, O extends PValue>(
  transform: AsyncPTransform<I, O>,
  input: I,
): Promise<O> {
  let begun: ReturnType<typeof begin>;
  try {
    checkTransform(transform, 'expandInternalAsync');
    begun = begin(transform, input, 'transform');
  } catch (error) {
    return Promise.reject(error);
  }
  const [pipeline, node] = begun;
  const applied = expandAsync(transform, input, pipeline, node).finally(() =>
    pipeline.expanding.delete(node),
  );
  pipeline.expanding.set(node, applied);
  return applied;
}

async function expandAsync<I extends PValue, O extends PValue>(
  transform: AsyncPTransform<I, O>,
  input: I,
  pipeline: Pipeline,
  node: TransformNode,
): Promise<O> {
  try {
    const output = await pipeline.within(node, async () =>
      typeof transform === 'function'
        ? transform(input, pipeline, node)
        : transform.expandInternalAsync(input, pipeline, node),
    );
    return finish(node, output, transform);
  } catch (error) {
    throw blame(node, error);
  }
}
