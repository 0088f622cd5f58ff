// SPDX-License-Identifier: Apache-2.0
// ParDo: the primitive that runs a user's function on each element. It lives here and not in
// src/transforms because PCollection.map and flatMap are made of it.

import { checkOptionNames } from '../base/index.ts';
import { type Coder, JsCoder, keyValue } from '../coders/index.ts';
import type { DoFn, FlatMapFn, MapFn, PredicateFn } from './do-fn.ts';
import type { Pipeline, TransformNode } from './graph.ts';
import { labelled } from './names.ts';
import { extractContext } from './own-context.ts';
import { PTransformClass } from './ptransform.ts';
import { newOutput, type PCollection } from './pvalue.ts';
import { type AnyFunction, applyParDo, type UserFunction } from './register-par-do.ts';
import { isSplittable, type SplittableDoFn } from './splittable.ts';
import { keyedForm, needsKeys } from './stateful.ts';
import type { WatermarkEstimator } from './watermark-estimators.ts';

/** Tag of the main output of a ParDo that names no outputs. */
export const MAIN_OUTPUT = 'main';

/** Runs a function on each element of a PCollection. */
export class ParDo<T, O> extends PTransformClass<PCollection<T>, PCollection<O>> {
  readonly user: UserFunction;

  constructor(
    user: UserFunction,
    /** Coder of the output. @default the coder for plain JavaScript values */
    readonly outputCoder?: Coder<O> | 'of the input',
    /**
     * Whether the program declared the coder: each output then goes through it at once, so that one
     * that does not fit fails here, on every runner. @default false
     */
    readonly isDeclared = false,
  ) {
    super('doFn' in user ? labelled('parDo', user.doFn) : labelled(user.kind, user.fn));
    this.user = withOwnContext(user);
  }

  /** The same transform with several outputs, to which {@link tagged} values go by their tag. */
  withOutputs<Tags extends Record<string, unknown>>(options: {
    /** Tag of the values that are not tagged. */
    main: keyof Tags & string;
    /** The other tags. */
    tags: readonly (keyof Tags & string)[];
    coders?: { [K in keyof Tags]?: Coder<Tags[K]> };
  }): MultiParDo<T, Tags> {
    checkOptionNames('withOutputs', options, { main: true, tags: true, coders: true });
    return new MultiParDo(this.user, options.main, options.tags, options.coders ?? {});
  }

  override expandInternal(
    input: PCollection<T>,
    pipeline: Pipeline,
    node: TransformNode,
  ): PCollection<O> {
    if (needsKeys(this.user, input, node)) {
      return withKeys(input).apply(
        named(new ParDo<T, O>(this.user, this.outputCoder, this.isDeclared)),
      );
    }
    const coder =
      this.outputCoder === 'of the input' ? input.coder : (this.outputCoder ?? new JsCoder());
    const declared = this.isDeclared ? { [MAIN_OUTPUT]: coder as Coder<unknown> } : {};
    applyParDo(this.user, input, pipeline, node, MAIN_OUTPUT, new Map(Object.entries(declared)));
    return newOutput(pipeline, node, MAIN_OUTPUT, coder as Coder<O>, likeOutput(this.user, input));
  }
}

/** A {@link ParDo} with several outputs by tag. */
export class MultiParDo<T, Tags extends Record<string, unknown>> extends PTransformClass<
  PCollection<T>,
  { [K in keyof Tags]: PCollection<Tags[K]> }
> {
  readonly user: UserFunction;

  constructor(
    user: UserFunction,
    readonly main: keyof Tags & string,
    readonly tags: readonly (keyof Tags & string)[],
    /** Each output goes through its coder at once: one that does not fit fails on every runner. */
    readonly coders: { [K in keyof Tags]?: Coder<Tags[K]> },
    readonly isDeclared = true,
  ) {
    super(labelled('parDo', 'doFn' in user ? user.doFn : user.fn));
    this.user = withOwnContext(user);
  }

  override expandInternal(
    input: PCollection<T>,
    pipeline: Pipeline,
    node: TransformNode,
  ): { [K in keyof Tags]: PCollection<Tags[K]> } {
    if (needsKeys(this.user, input, node)) {
      const { user, main, tags, coders, isDeclared } = this;
      return withKeys(input).apply(
        named(new MultiParDo<T, Tags>(user, main, tags, coders, isDeclared)),
      );
    }
    const declared = this.isDeclared ? (this.coders as Record<string, Coder<unknown>>) : {};
    applyParDo(this.user, input, pipeline, node, this.main, new Map(Object.entries(declared)));
    const outputs: Record<string, PCollection<unknown>> = {};
    for (const tag of new Set([this.main, ...this.tags])) {
      const coder = (Object.hasOwn(this.coders, tag) && this.coders[tag]) || new JsCoder();
      const like = likeOutput(this.user, input);
      outputs[tag] = newOutput(pipeline, node, tag, coder as Coder<unknown>, like);
    }
    return outputs as { [K in keyof Tags]: PCollection<Tags[K]> };
  }
}

/** With the context that the function brings along, unless it is applied with another one. */
function withOwnContext(user: UserFunction): UserFunction {
  if (user.context !== undefined) return user;
  const context = extractContext('doFn' in user ? user.doFn : user.fn);
  return context === undefined ? user : { ...user, context };
}

/** Windowing and boundedness of a ParDo's outputs. */
function likeOutput(user: UserFunction, { node }: PCollection<unknown>) {
  const endless = user.kind === 'splittable' && user.doFn.bounded === false;
  return { windowing: node.windowing, bounded: node.bounded && !endless };
}

/** The part of a ParDo with state that has the state, behind the one that encodes the keys. */
function named<P extends { beamName: unknown }>(part: P): P {
  part.beamName = 'process';
  return part;
}

/** Plain JavaScript key-values with a coder of key-values. */
function withKeys<T>(input: PCollection<T>): PCollection<T> {
  const coder = keyedForm(input.coder as Coder<unknown>) as Coder<T>;
  const identity = new ParDo<T, T>({ kind: 'map', fn: keyValue }, coder);
  identity.beamName = 'withKeyCoder';
  return input.apply(identity);
}

/** Applies a {@link DoFn}, or a {@link SplittableDoFn}, to each element. */
export function parDo<
  InputT,
  OutputT,
  RestrictionT,
  PositionT,
  ContextT = undefined,
  WatermarkT extends WatermarkEstimator | undefined = undefined,
  StateT = unknown,
>(
  doFn: SplittableDoFn<InputT, OutputT, RestrictionT, PositionT, ContextT, WatermarkT, StateT>,
  context?: ContextT,
): ParDo<InputT, OutputT>;
export function parDo<InputT, OutputT, ContextT = undefined>(
  doFn: DoFn<InputT, OutputT, ContextT>,
  context?: ContextT,
): ParDo<InputT, OutputT>;
export function parDo<InputT, OutputT>(doFn: unknown, context?: unknown): ParDo<InputT, OutputT> {
  return new ParDo<InputT, OutputT>(
    isSplittable(doFn)
      ? { kind: 'splittable', doFn, context }
      : { kind: 'doFn', doFn: doFn as DoFn<unknown, unknown, unknown>, context },
  );
}

/** As {@link PCollection.map}, to be applied. */
export function map<T, O, C = undefined, X = unknown>(
  fn: MapFn<T, O, C, X>,
  context?: C,
): ParDo<T, O> {
  return new ParDo<T, O>({ kind: 'map', fn: fn as AnyFunction, context });
}

/** As {@link PCollection.flatMap}, to be applied. */
export function flatMap<T, O = never, C = undefined, X = unknown>(
  fn: FlatMapFn<T, O, C, X>,
  context?: C,
): ParDo<T, O> {
  return new ParDo<T, O>({ kind: 'flatMap', fn: fn as AnyFunction, context });
}

/** As {@link PCollection.filter}, to be applied. */
export function filter<T, C = undefined>(fn: PredicateFn<T, C>, context?: C): ParDo<T, T> {
  return new ParDo<T, T>({ kind: 'filter', fn: fn as AnyFunction, context }, 'of the input');
}
