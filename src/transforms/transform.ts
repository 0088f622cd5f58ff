// SPDX-License-Identifier: Apache-2.0
// How the transforms of this room are made: a name and an expansion, or one function on elements.

import type { Coder } from '../coders/index.ts';
import {
  type AnyFunction,
  type DoFn,
  ParDo,
  type Pipeline,
  PTransformClass,
  type PValue,
  type TransformNode,
} from '../pipeline/index.ts';

class Expansion<I extends PValue, O extends PValue> extends PTransformClass<I, O> {
  constructor(
    name: string,
    private readonly body: (input: I, pipeline: Pipeline, node: TransformNode) => O,
  ) {
    super(name);
  }

  override expandInternal(input: I, pipeline: Pipeline, node: TransformNode): O {
    return this.body(input, pipeline, node);
  }
}

/** A transform from its expansion. Its name is derived, so it may be applied twice. */
export function transform<I extends PValue, O extends PValue>(
  name: string,
  body: (input: I, pipeline: Pipeline, node: TransformNode) => O,
): PTransformClass<I, O> {
  return new Expansion(name, body);
}

/**
 * A transform that is a function as well: `apply` can then find the types of a generic one from its
 * input, which TypeScript does for functions only.
 */
export function callable<I extends PValue, O extends PValue, Extra extends object>(
  name: string,
  body: (input: I, pipeline: Pipeline, node: TransformNode) => O,
  extra: Extra,
) {
  const expand = (input: I, pipeline: Pipeline, node: TransformNode) => body(input, pipeline, node);
  const inner = transform(name, body);
  const asClass = {
    beamName: name,
    expand: (input: I) => inner.expand(input),
    expandAsync: (input: I) => inner.expandAsync(input),
    expandInternal: expand,
    expandInternalAsync: async (input: I, pipeline: Pipeline, node: TransformNode) =>
      expand(input, pipeline, node),
  };
  Object.defineProperty(expand, 'name', { value: name });
  return Object.assign(expand, asClass, extra);
}

function named<T, O>(name: string, step: ParDo<T, O>): ParDo<T, O> {
  step.beamName = name;
  return step;
}

/** A step of a composite: one output for each element. */
export function mapStep<T, O>(
  name: string,
  fn: (element: T, context: never) => O | Promise<O>,
  coder: Coder<O>,
  context?: unknown,
): ParDo<T, O> {
  return named(name, new ParDo<T, O>({ kind: 'map', fn: fn as AnyFunction, context }, coder));
}

/** A step of a composite: any number of outputs for each element. */
export function flatMapStep<T, O>(
  name: string,
  fn: (element: T, context: never) => Iterable<O> | AsyncIterable<O> | Promise<Iterable<O>>,
  coder: Coder<O>,
  context?: unknown,
): ParDo<T, O> {
  return named(name, new ParDo<T, O>({ kind: 'flatMap', fn: fn as AnyFunction, context }, coder));
}

/** A step of a composite: a DoFn. */
export function doFnStep<T, O, C = undefined>(
  name: string,
  doFn: DoFn<T, O, C>,
  coder: Coder<O> | 'of the input',
  context?: C,
): ParDo<T, O> {
  return named(
    name,
    new ParDo<T, O>(
      { kind: 'doFn', doFn: doFn as DoFn<unknown, unknown, unknown>, context },
      coder,
    ),
  );
}
