// SPDX-License-Identifier: Apache-2.0
// What transforms take and give: the root of a pipeline, PCollections, and records of them.

import { BeamBridgeError } from '../base/index.ts';
import type { Coder } from '../coders/index.ts';
import type { FlatMapFn, MapFn, PredicateFn } from './do-fn.ts';
import type { OutputOptions, PCollectionNode, Pipeline, TransformNode } from './graph.ts';
import { ParDo } from './par-do.ts';
import {
  type AsyncPTransform,
  applyTransform,
  applyTransformAsync,
  type PTransform,
  type PTransformClass,
} from './ptransform.ts';
import type { AnyFunction } from './register-par-do.ts';
import { checkTag } from './tags.ts';

/** What a transform can take or give. */
export type PValue =
  // biome-ignore lint/suspicious/noConfusingVoidType: a transform that ends a branch returns nothing
  | void
  | undefined
  | null
  | Root
  | PCollection<unknown>
  | readonly PValue[]
  | { readonly [tag: string]: PValue };

/** Where a pipeline starts: sources are applied to it. */
export class Root {
  /** @internal */
  constructor(readonly pipeline: Pipeline) {}

  /** Applies a source. */
  apply<O extends PValue>(transform: PTransform<Root, O>): O {
    return applyTransform(transform, this);
  }

  /** Applies a source whose expansion has to wait for something. */
  applyAsync<O extends PValue>(transform: AsyncPTransform<Root, O>): Promise<O> {
    return applyTransformAsync(transform, this);
  }
}

/**
 * A collection of elements of type `T`, bounded or not, that does not exist until the pipeline runs.
 *
 * @example
 * ```ts
 * const lengths = words.map((word) => word.length);
 * ```
 */
export class PCollection<T> {
  /** The element type, for the compiler only: it makes PCollections of different types differ. */
  declare readonly elementType: T;

  /** @internal */
  constructor(
    readonly pipeline: Pipeline,
    readonly node: PCollectionNode,
  ) {}

  /** Applies a transform and gives its output. */
  // Three forms, for TypeScript finds the types of a generic function only where it alone is asked for.
  apply<O extends PValue>(transform: PTransformClass<PCollection<T>, O>): O;
  apply<O extends PValue>(transform: (input: PCollection<T>) => O): O;
  apply<O extends PValue>(transform: PTransform<PCollection<T>, O>): O;
  apply<O extends PValue>(transform: PTransform<PCollection<T>, O>): O {
    return applyTransform(transform, this);
  }

  /** Applies a transform whose expansion has to wait for something. */
  applyAsync<O extends PValue>(transform: AsyncPTransform<PCollection<T>, O>): Promise<O> {
    return applyTransformAsync(transform, this);
  }

  /**
   * One output for each element. The function may be async. What is wrapped in `timestamped(…)` goes
   * downstream without its wrapper.
   *
   * @param context - values and parameters (side inputs, metrics, window, …) for the second argument
   */
  map<O, C = undefined, X = unknown>(fn: MapFn<T, O, C, X>, context?: C): PCollection<O> {
    return this.apply(new ParDo<T, O>({ kind: 'map', fn: fn as AnyFunction, context }));
  }

  /**
   * Any number of outputs for each element: an iterable, an async iterable, or a promise of one.
   * Promises in it are awaited, so that `urls.map(async …)` may be returned; nothing is no outputs. A
   * string is refused: return `[text]`.
   */
  flatMap<O = never, C = undefined, X = unknown>(
    fn: FlatMapFn<T, O, C, X>,
    context?: C,
  ): PCollection<O> {
    return this.apply(new ParDo<T, O>({ kind: 'flatMap', fn: fn as AnyFunction, context }));
  }

  /** The elements for which the function says true. */
  filter<C = undefined>(fn: PredicateFn<T, C>, context?: C): PCollection<T> {
    return this.apply(
      new ParDo<T, T>({ kind: 'filter', fn: fn as AnyFunction, context }, 'of the input'),
    );
  }

  /** The root of this collection's pipeline, to apply another source. */
  root(): Root {
    return new Root(this.pipeline);
  }

  get coder(): Coder<T> {
    return this.node.coder as Coder<T>;
  }

  /** Whether the elements ever end. */
  get isBounded(): boolean {
    return this.node.bounded;
  }
}

/** A new output of a primitive transform. It inherits what `options` leaves out from `like`. */
export function newOutput<T>(
  pipeline: Pipeline,
  producer: TransformNode,
  tag: string,
  coder: Coder<T>,
  like: { windowing: OutputOptions<T>['windowing']; bounded: boolean },
): PCollection<T> {
  return new PCollection<T>(
    pipeline,
    pipeline.addPCollection(producer, tag, {
      coder,
      windowing: like.windowing,
      bounded: like.bounded,
    }),
  );
}

/** All PCollections in a PValue by a path of tags; a lone one is called `main`. */
export function flattenPValue(value: PValue, prefix = ''): Record<string, PCollection<unknown>> {
  if (value === undefined || value === null || value instanceof Root) return {};
  if (value instanceof PCollection) return { [prefix || 'main']: value };
  if (typeof value !== 'object') {
    throw new BeamBridgeError('INVALID_ARGUMENT', `${String(value)} is no PCollection`, {
      hint: 'A transform takes and gives PCollections, arrays of them, or objects of them.',
    });
  }
  const out: Record<string, PCollection<unknown>> = {};
  for (const [tag, inner] of Object.entries(value)) {
    checkTag(tag);
    Object.assign(out, flattenPValue(inner as PValue, prefix ? `${prefix}.${tag}` : tag));
  }
  return out;
}

/** The pipeline that a PValue belongs to. */
export function pipelineOf(value: PValue): Pipeline {
  if (value instanceof Root) return value.pipeline;
  const first = Object.values(flattenPValue(value))[0];
  if (first) return first.pipeline;
  throw new BeamBridgeError('INVALID_ARGUMENT', 'a transform was applied to nothing', {
    hint: 'Apply it to the root, to a PCollection, or to a non-empty array or object of them.',
  });
}

/** A tuple or record of PCollections that transforms can be applied to: `P([a, b]).apply(flatten())`. */
export class PValueWrapper<T extends PValue> {
  constructor(private readonly value: T) {}

  apply<O extends PValue>(transform: PTransform<T, O>, root?: Root): O {
    return applyTransform(transform, this.orRoot(root));
  }

  applyAsync<O extends PValue>(transform: AsyncPTransform<T, O>, root?: Root): Promise<O> {
    return applyTransformAsync(transform, this.orRoot(root));
  }

  private orRoot(root: Root | undefined): T {
    const empty =
      !(this.value instanceof Root) && Object.keys(flattenPValue(this.value)).length === 0;
    // An empty tuple belongs to no pipeline, so the caller may say which one is meant.
    return empty && root ? (root as unknown as T) : this.value;
  }
}

/** Wraps several PCollections so that a transform can be applied to all of them together. */
export function P<T extends PValue>(value: T): PValueWrapper<T> {
  return new PValueWrapper(value);
}
