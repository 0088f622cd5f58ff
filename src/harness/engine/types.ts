// SPDX-License-Identifier: Apache-2.0
// What the bundle engine needs from whoever runs it: where encoded elements come from and go to,
// state, and the user's functions. gRPC implements these interfaces, and so does the node runner.

import type { Instant, WindowedValue } from '../../coders/index.ts';

export { isThenable } from '../../base/index.ts';

/** A value now, or later: the engine waits only where it is given a promise. */
export type MaybePromise<T> = T | Promise<T>;

/** A part of an element's work, in the form in which a transform takes it. */
export interface Application {
  /** The transform that it is for, and the tag of its input. */
  readonly transformId: string;
  readonly inputId: string;
  /**
   * The element with its restriction and its windows, encoded as the data source in front of the
   * transform reads it; as it is where that source's elements never leave this process.
   */
  readonly element: Uint8Array | WindowedValue<unknown>;
}

/** The rest of an element that a bundle did not finish: to be processed later, by any bundle. */
export interface Residual extends Application {
  /** How long to wait first. Milliseconds. */
  readonly delayMillis: number;
  /**
   * Below which timestamp nothing more comes out of it, by the tag of the output; empty where the
   * element's own timestamp must be taken for that.
   */
  readonly watermarks: ReadonlyMap<string, Instant>;
  /** Whether it comes to an end by itself. */
  readonly isBounded: boolean;
}

/** The user's functions by the keys that payloads carry; `Pipeline.functions` is one. */
export interface FunctionLookup {
  get(key: string): unknown;
}

/** Whole encoded elements for one data source. */
export interface InputChunk {
  readonly transformId: string;
  /** Set when the bytes are timers of this family that fired. */
  readonly timerFamilyId?: string | undefined;
  readonly data: Uint8Array;
}

/** Elements for one data source that were never encoded: they come from this process. */
export interface ElementChunk {
  readonly transformId: string;
  readonly timerFamilyId?: undefined;
  readonly elements: readonly WindowedValue<unknown>[];
}

/** The elements of a bundle, in the order in which they came, for all its data sources. */
export interface BundleInput {
  /** The next chunk; undefined once every source has had its last one. */
  next(): MaybePromise<InputChunk | ElementChunk | undefined>;
  /**
   * Says that another bundle waits for a DoFn object that this one uses, and that what would come next may
   * depend on that bundle. Input that is not whole from the beginning ends where it would have to be waited
   * for, also when {@link next} waits already.
   */
  giveWay?(): void;
}

/** Where a bundle's data sinks write. */
export interface BundleOutput {
  /** Takes whole encoded elements. The sink waits for a promise before it goes on. */
  write(transformId: string, data: Uint8Array): MaybePromise<void>;
  /** Says that nothing more follows for this sink; `data` is what it still held. */
  close(transformId: string, data: Uint8Array): MaybePromise<void>;
  /** Is shown the first element of a sink without a coder, which will come by {@link writeElements}, too. */
  showFirst?(transformId: string, element: WindowedValue<unknown>): void;
  /** Takes elements that stay in this process, from a sink without a coder. */
  writeElements?(transformId: string, elements: WindowedValue<unknown>[]): MaybePromise<void>;
  /** Takes all timers of a family that a bundle set or cleared; none may be. */
  closeTimers?(transformId: string, timerFamilyId: string, data: Uint8Array): MaybePromise<void>;
}

/** Names one window of one side input. */
export interface SideInputKey {
  readonly transformId: string;
  readonly sideInputId: string;
  /** The side input's window, encoded. */
  readonly window: Uint8Array;
}

/** Names the state of one DoFn for one key and window, both encoded. */
export interface UserStateKey {
  readonly transformId: string;
  readonly userStateId: string;
  readonly window: Uint8Array;
  readonly key: Uint8Array;
}

/** The bags that DoFns keep. */
export interface UserState {
  /** Encoded values, in chunks that may be cut anywhere. */
  read(key: UserStateKey): AsyncIterable<Uint8Array>;
  append(key: UserStateKey, data: Uint8Array): Promise<void>;
  clear(key: UserStateKey): Promise<void>;
}

/** Names the contents of a side input, in all windows together. */
export interface SideInputToken extends Omit<SideInputKey, 'window'> {
  readonly token: string;
}

/** What a bundle may read from the runner. */
export interface BundleState {
  /** The encoded elements of a side input, in chunks that may be cut anywhere. */
  sideInput(key: SideInputKey): AsyncIterable<Uint8Array>;
  /** What an iterable that began in an element's bytes goes on with. */
  iterable(token: Uint8Array): AsyncIterable<Uint8Array>;
  /** The values of one key of a side input that is a multimap; all its keys when none is given. */
  multimap?(key: SideInputKey, mapKey?: Uint8Array): AsyncIterable<Uint8Array>;
  /**
   * Says that contents read under the same token are the same contents, in this bundle and in
   * later ones; undefined when they may be kept for this bundle only.
   */
  cacheToken?(key: SideInputKey): string | undefined;
  /**
   * For a worker that is told once, at a bundle's start: what says of each side input that all of it
   * is the same as under the same token before. Without a token it may be kept for this bundle only.
   */
  sideInputTokens?(): readonly SideInputToken[];
  /** Whether a side input's window is to be handed over in one piece, however large: one with a token is. */
  isWhole?(key: SideInputKey): boolean;
  /** State that DoFns keep; undefined where there is none. */
  readonly user?: UserState | undefined;
}

/** Everything that one bundle is run with. */
export interface BundleIO {
  readonly input: BundleInput;
  readonly output: BundleOutput;
  readonly state: BundleState;
  /** Processing time, as the pipeline has it. @default the clock's */
  now?(): Instant;
  /** Whether endless sources are to end, where no step before them truncates. @default never */
  readonly isDraining?: (() => boolean) | undefined;
}

/** A wish to give part of a bundle's input back, for one data source. */
export interface DesiredSplit {
  /** How much of what is left, from 0 to 1, the bundle should keep. */
  readonly fractionOfRemainder: number;
  /** How many elements the runner sent or will send. */
  readonly estimatedInputElements: number;
  /** Indices at which a split is allowed; empty for all. */
  readonly allowedSplitPoints: readonly number[];
}

/**
 * Where a data source was split. An element that lies between the two was itself cut in parts: what
 * the bundle keeps of it, and what it gives back.
 */
export interface ChannelSplit {
  readonly transformId: string;
  readonly lastPrimaryElement: number;
  readonly firstResidualElement: number;
  readonly primaryRoots: readonly Application[];
  readonly residualRoots: readonly Residual[];
}
