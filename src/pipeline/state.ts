// SPDX-License-Identifier: Apache-2.0
// State that a DoFn keeps for each key and window, as parameters of its context. All kinds are kept
// in Beam's bags, which every runner with state has: sets, maps and ordered lists are kept in one. What goes
// in is what will be read, in this bundle as in the next, and what comes out is a copy: a value that a DoFn goes on changing
// would be another one in a long bundle, where it is the same object, than in short ones, where it was decoded.

import { BeamBridgeError } from '../base/index.ts';
import {
  type Coder,
  decodeValue,
  deterministicForm,
  encodeValue,
  JsCoder,
  ownCopy,
  ownCopyBy,
  storedForm,
} from '../coders/index.ts';
import { coderOf, isSchemaType, type SchemaType } from '../schema/index.ts';
import { ParDoParam, undeclared } from './params.ts';

/** The contents of one state for one key and window, as the bundle engine offers them. */
export interface StateCell {
  read(): Promise<readonly unknown[]>;
  /** Whether there is nothing to read, for which not everything is fetched. */
  isEmpty(): Promise<boolean>;
  append(value: unknown): void;
  clear(): void;
  /** What a kind of state keeps beside the cell; `settle` writes it there before the bundle ends. */
  overlay: { settle(): Promise<void> | void } | undefined;
}

/** A type or a coder of stored values. */
export type StateType<T> = SchemaType<T> | Coder<T>;

/** The coder of stored values. @internal */
export function coderFor<T>(type: StateType<T> | undefined): Coder<T> {
  if (type === undefined) return new JsCoder() as Coder<unknown> as Coder<T>;
  return isSchemaType(type) ? coderOf(type as SchemaType<T>) : (type as Coder<T>);
}

/** The coder of values that are looked up by their bytes. @internal */
export function keyCoderFor<K>(type: StateType<K> | undefined, what: string): Coder<K> {
  const coder = deterministicForm(coderFor(type));
  if (coder) return coder;
  throw new BeamBridgeError('NON_DETERMINISTIC_KEY', `${what} may be encoded in several ways`, {
    hint: 'Use text, numbers, or rows of such fields.',
  });
}

/** A state of the key and window being processed. Writes are sent when the bundle ends. */
export abstract class StateParam extends ParDoParam {
  /** The parameter's name in the context; set when the ParDo is applied. @internal */
  stateId = '';

  constructor(
    /** Of what the runner stores. @internal */
    readonly storedCoder: Coder<unknown>,
  ) {
    super();
  }

  protected get cell(): StateCell {
    if (this.stateId === '') throw undeclared('a state');
    return this.provider.lookup(this) as StateCell;
  }

  /** Forgets everything under the key. */
  clear(): void {
    const { cell } = this;
    cell.overlay = undefined;
    cell.clear();
  }
}

/** One value, or none. */
export class ValueState<T> extends StateParam {
  constructor(coder: Coder<T>) {
    super(coder as Coder<unknown>);
  }

  /** @returns undefined when nothing was written */
  async read(): Promise<T | undefined> {
    const [value] = await this.cell.read();
    return value === undefined ? undefined : (ownCopyBy(this.storedCoder, value) as T);
  }

  write(value: T): void {
    const { cell } = this;
    const stored = storedForm(this.storedCoder, value);
    cell.clear();
    cell.append(stored);
  }
}

/** Values in no order. */
export class BagState<T> extends StateParam {
  constructor(coder: Coder<T>) {
    super(coder as Coder<unknown>);
  }

  async read(): Promise<T[]> {
    return (await this.cell.read()).map((value) => ownCopyBy(this.storedCoder, value) as T);
  }

  add(value: T): void {
    this.cell.append(storedForm(this.storedCoder, value));
  }

  /** Whether it holds nothing; of a large bag no more than the beginning is fetched. */
  isEmpty(): Promise<boolean> {
    return this.cell.isEmpty();
  }
}

/** What {@link CombiningState} needs of a combiner. */
export interface StateCombineFn<I, A, O> {
  createAccumulator(): A;
  addInput(accumulator: A, input: I): A;
  mergeAccumulators(accumulators: Iterable<A>): A;
  extractOutput(accumulator: A): O;
  accumulatorCoder?(inputCoder: Coder<I>): Coder<A>;
}

/** Values reduced to one by a combiner as they are added. */
export class CombiningState<I, O> extends StateParam {
  constructor(
    private readonly combineFn: StateCombineFn<I, unknown, O>,
    private readonly inputCoder: Coder<I>,
  ) {
    super(combineFn.accumulatorCoder?.(inputCoder) ?? new JsCoder());
  }

  /** The combiner's output; for no values, its output of none. */
  read(): Promise<O> {
    const { cell } = this;
    const pending = pendingOf(cell);
    const added = pending.take();
    // One after the other: a merge may change what it is given, which no other may merge again then.
    const stored = pending.contents ?? cell.read();
    const merged = stored.then((before) => this.merge(cell, pending, [...before, ...added]));
    pending.contents = merged.then(({ left }) => left);
    // Whoever reads hears of a failure.
    pending.contents.catch(() => {});
    return merged.then(({ output }) => output);
  }

  /** The output of accumulators, and what is in the state from then on. */
  private merge(cell: StateCell, pending: Pending, all: readonly unknown[]) {
    const { combineFn } = this;
    const merged = combineFn.mergeAccumulators(
      all.length > 0 ? all : [combineFn.createAccumulator()],
    );
    // The result may be the accumulator itself, which must not change when more is added.
    const left = all.length > 0 ? [this.copyOf(merged)] : [];
    // What was cleared while this read waited stays so.
    if (all.length > 0 && cell.overlay === pending) {
      cell.clear();
      cell.append(left[0]);
    }
    return { output: combineFn.extractOutput(merged), left };
  }

  private copyOf(accumulator: unknown): unknown {
    const isPlain = typeof accumulator !== 'object' || accumulator === null;
    // A coder of a type may round even a number, as it does for the next bundle.
    if (isPlain && this.storedCoder instanceof JsCoder) return accumulator;
    return decodeValue(this.storedCoder, encodeValue(this.storedCoder, accumulator));
  }

  add(value: I): void {
    const { combineFn } = this;
    const pending = pendingOf(this.cell);
    pending.accumulator = combineFn.addInput(
      pending.isEmpty ? combineFn.createAccumulator() : pending.accumulator,
      // An undeclared one is the combiner's affair, and is never written.
      this.inputCoder instanceof JsCoder ? ownCopy(value) : storedForm(this.inputCoder, value),
    );
    pending.isEmpty = false;
  }
}

/** Inputs of this bundle that are not in the cell yet. */
class Pending {
  accumulator: unknown;
  isEmpty = true;
  /** What those who read before leave in the state; undefined where nobody did. */
  contents: Promise<readonly unknown[]> | undefined;

  constructor(private readonly cell: StateCell) {}

  /** What was added, which is not here any more then. */
  take(): unknown[] {
    if (this.isEmpty) return [];
    const { accumulator } = this;
    this.accumulator = undefined;
    this.isEmpty = true;
    return [accumulator];
  }

  async settle(): Promise<void> {
    await this.contents;
    for (const accumulator of this.take()) this.cell.append(accumulator);
  }
}

function pendingOf(cell: StateCell): Pending {
  cell.overlay ??= new Pending(cell);
  return cell.overlay as Pending;
}

/**
 * One value for each key and window, to put into a DoFn's context.
 *
 * @param type - a type such as `int64`, or a coder. @default any plain JavaScript value
 */
export function valueState<T>(type?: StateType<T>): ValueState<T> {
  return new ValueState(coderFor(type));
}

/** A bag of values for each key and window. */
export function bagState<T>(type?: StateType<T>): BagState<T> {
  return new BagState(coderFor(type));
}

/** A combined value for each key and window: `combiningState(sum)`. */
export function combiningState<I, A, O>(
  combineFn: StateCombineFn<I, A, O>,
  inputType?: StateType<I>,
): CombiningState<I, O> {
  return new CombiningState(combineFn as StateCombineFn<I, unknown, O>, coderFor(inputType));
}
