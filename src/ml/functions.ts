// SPDX-License-Identifier: Apache-2.0
// The program's own functions before and after a model.

import { BeamBridgeError, isThenable } from '../base/index.ts';
import { type Coder, isKeyValue, JsCoder, type KV, transcode } from '../coders/index.ts';
import { type DoFn, type TaggedOutput, tagged } from '../transforms/index.ts';
import { failureOf, type InferenceStep, REJECTED } from './failures/dead-letters.ts';

/** A function of an example or of a prediction, and of its key where there is one. */
export type ValueFunction = (value: never, key: never) => unknown;

/** Applies functions one after another to each element, or to the value of each key-value. */
export class ApplyFunctions implements DoFn<unknown, unknown> {
  constructor(
    private readonly functions: readonly ValueFunction[],
    private readonly step: InferenceStep & ('preprocess' | 'postprocess'),
    private readonly keyed: boolean,
    /** Whether an element for which one throws goes to another output, instead of failing the run. */
    private readonly rejects: boolean,
    /** The coders of the types that their results are declared to have. */
    private readonly declared: readonly Coder<unknown>[] = [],
  ) {}

  process(element: unknown): unknown[] | Promise<unknown[]> {
    // What is no key-value has no value to give them: the packing behind refuses it as it came.
    if (this.keyed && !isKeyValue(element)) return [element];
    const value = this.keyed ? (element as KV<unknown, unknown>).value : element;
    return this.from(0, element, value);
  }

  /** Waits only for a function that has to be waited for. */
  private from(start: number, element: unknown, value: unknown): unknown[] | Promise<unknown[]> {
    const key = this.keyed ? (element as KV<unknown, unknown>).key : undefined;
    let current = value;
    for (let i = start; i < this.functions.length; i++) {
      try {
        current = this.functions[i]!(current as never, key as never);
        if (!isThenable(current)) current = this.asDeclared(i, current);
      } catch (error) {
        return [this.failed(element, error, i)];
      }
      if (isThenable(current)) {
        return Promise.resolve(current).then(
          (next: unknown) => this.goOn(i, element, next),
          (error: unknown) => [this.failed(element, error, i)],
        );
      }
    }
    return [this.keyed ? { key, value: current } : current];
  }

  /** With what one of them gave after a while. */
  private goOn(i: number, element: unknown, value: unknown): unknown[] | Promise<unknown[]> {
    let current: unknown;
    try {
      current = this.asDeclared(i, value);
    } catch (error) {
      return [this.failed(element, error, i)];
    }
    return this.from(i + 1, element, current);
  }

  private asDeclared(i: number, value: unknown): unknown {
    const coder = this.declared[i];
    return coder && !(coder instanceof JsCoder) ? transcode(coder, value) : value;
  }

  private failed(element: unknown, error: unknown, index: number): TaggedOutput<unknown> {
    if (!this.rejects) throw error;
    const failure = failureOf(error, this.step, index);
    return tagged(REJECTED, { element: this.original(element), ...failure });
  }

  /** What went in: after the model an element is a prediction, which holds its example. */
  private original(element: unknown): unknown {
    if (this.step === 'preprocess') return element;
    if (!this.keyed) return (element as { example: unknown }).example;
    const { key, value } = element as KV<unknown, { example: unknown }>;
    return { key, value: value.example };
  }
}

/**
 * Refuses what is no Python callable, or one that is given on the far side of a TypeScript function.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT`
 */
export function checkCallable(
  method: string,
  given: unknown,
  functions: readonly ValueFunction[],
): void {
  const isCallable = typeof given === 'object' && given !== null && 'expr' in given;
  if (isCallable && functions.length === 0) return;
  throw new BeamBridgeError(
    'INVALID_ARGUMENT',
    isCallable
      ? `${method} is given a Python callable on the far side of a TypeScript function`
      : `${method} is given neither a function nor a Python callable`,
    {
      hint: isCallable
        ? 'Python runs next to the model: give Python callables first, and TypeScript functions after them.'
        : "Give a function, or pythonCallable('…').",
    },
  );
}
