// SPDX-License-Identifier: Apache-2.0
// What the reference takes and gives: plain data, so that a failing case can be printed and kept.
// All times and durations are whole milliseconds.

/** How an element's timestamp says in which windows it is. */
export type Windowing =
  | { readonly kind: 'global' }
  | { readonly kind: 'fixed'; readonly size: number; readonly offset?: number }
  | {
      readonly kind: 'sliding';
      readonly size: number;
      readonly period: number;
      readonly offset?: number;
    }
  | { readonly kind: 'sessions'; readonly gap: number };

/** When a window's elements come out. */
export type Trigger =
  | { readonly kind: 'default' | 'never' | 'always' }
  | { readonly kind: 'afterWatermark'; readonly early?: Trigger; readonly late?: Trigger }
  | { readonly kind: 'afterCount'; readonly count: number }
  | { readonly kind: 'afterProcessingTime'; readonly delay: number }
  | { readonly kind: 'repeatedly'; readonly inner: Trigger }
  | { readonly kind: 'afterAll' | 'afterAny' | 'afterEach'; readonly parts: readonly Trigger[] }
  | { readonly kind: 'orFinally'; readonly main: Trigger; readonly until: Trigger };

/** A windowing strategy; what is left out has Beam's default. */
export interface Strategy {
  readonly windowing: Windowing;
  /** @default `{ kind: 'default' }` */
  readonly trigger?: Trigger;
  /** @default 'discarding' */
  readonly accumulationMode?: 'discarding' | 'accumulating';
  /** @default 0 */
  readonly allowedLateness?: number;
  /** @default 'endOfWindow' */
  readonly timestampCombiner?: 'earliest' | 'latest' | 'endOfWindow';
  /** @default 'emitIfNonEmpty' */
  readonly closingBehavior?: 'emitAlways' | 'emitIfNonEmpty';
  /** @default 'fireAlways' */
  readonly onTimeBehavior?: 'fireAlways' | 'fireIfNonEmpty';
}

export interface Element<V = unknown> {
  readonly key: string;
  readonly value: V;
  readonly timestamp: number;
}

/** One step of a script, after which everything that can follow from it has happened. */
export type Step<V = unknown> =
  /** Elements that arrive together: triggers are looked at once all of them are there. */
  | { readonly elements: readonly Element<V>[] }
  /** The watermark of the input advances to this time. */
  | { readonly watermark: number }
  /** The clock moves on by so much. */
  | { readonly processingTime: number };

export type Timing = 'early' | 'onTime' | 'late';

export interface Pane<V = unknown> {
  readonly key: string;
  /** From the start up to, not including, the end; undefined for the global window. */
  readonly window: { readonly start: number; readonly end: number } | undefined;
  /** In the order in which they arrived, window by window where windows merged: compare them sorted. */
  readonly values: readonly V[];
  readonly timestamp: number;
  readonly timing: Timing;
  readonly index: number;
  /** Among panes that are not early; -1 for early ones. */
  readonly onTimeIndex: number;
  readonly isFirst: boolean;
  readonly isLast: boolean;
  /** The number of the step that brought it out, from 0; the end of the input comes after the last. */
  readonly step: number;
}

export interface Outcome<V = unknown> {
  /** Of each key and window in order; keys and windows among each other are in no order. */
  readonly panes: readonly Pane<V>[];
  /** Elements that were dropped, each once for each of its windows. */
  readonly dropped: {
    /** They came after the end of their window and the allowed lateness. */
    readonly late: number;
    /** The trigger of their window had fired for the last time. */
    readonly closed: number;
    /** No window takes them, as between sliding windows that do not touch. */
    readonly windowless: number;
  };
}
