// SPDX-License-Identifier: Apache-2.0
// What the submitting program and a thread of it tell each other, as structured clones. Bytes are moved, not
// copied, where they are alone in their buffer.

import type { LogLevel, LogRecord } from '../../base/index.ts';
import type {
  ChannelSplit,
  DesiredSplit,
  MonitoringInfo,
  TransformInfo,
} from '../../harness/index.ts';
import type { GraphDigest } from '../../pipeline/index.ts';
import type { PlainError } from './plain-error.ts';

/** What a thread is started for. */
export interface ThreadProgram {
  readonly moduleUrl: string;
  readonly exportName: string;
  readonly digest: GraphDigest;
  /** The options of the run, by `optionsToText`. */
  readonly options: string;
  /** Whether elements are encoded, decoded and frozen between any two steps. */
  readonly isStrict: boolean;
  readonly logLevel: LogLevel;
  /** `process.argv` of the program, which modules look at. */
  readonly argv: readonly string[];
}

/** To a thread. Bundles have numbers that no other of the thread has. */
export type ToThread =
  | { readonly kind: 'stage'; readonly stage: number; readonly descriptor: Uint8Array }
  | { readonly kind: 'bundle'; readonly bundle: number; readonly stage: number }
  | { readonly kind: 'input'; readonly bundle: number; readonly chunk: Chunk | undefined }
  | { readonly kind: 'taken'; readonly bundle: number }
  | {
      readonly kind: 'split';
      readonly bundle: number;
      readonly desired: ReadonlyMap<string, DesiredSplit>;
    }
  | { readonly kind: 'abort'; readonly bundle: number; readonly error: PlainError }
  | { readonly kind: 'close' };

/** Whole encoded elements. */
export interface Chunk {
  readonly transformId: string;
  readonly data: Uint8Array;
}

/** From a thread. */
export type FromThread =
  | { readonly kind: 'ready' }
  | { readonly kind: 'next'; readonly bundle: number }
  | { readonly kind: 'giveWay'; readonly bundle: number }
  | { readonly kind: 'output'; readonly bundle: number; readonly chunk: Chunk }
  | { readonly kind: 'splits'; readonly bundle: number; readonly splits: readonly ChannelSplit[] }
  | {
      readonly kind: 'progress';
      readonly bundle: number;
      readonly infos: readonly MonitoringInfo[];
      readonly atWork: TransformInfo | undefined;
    }
  | { readonly kind: 'done'; readonly bundle: number; readonly infos: readonly MonitoringInfo[] }
  | { readonly kind: 'failed'; readonly bundle: number; readonly error: PlainError }
  | { readonly kind: 'stuck'; readonly bundle: number; readonly atWork: TransformInfo | undefined }
  | { readonly kind: 'refused'; readonly error: PlainError }
  | { readonly kind: 'log'; readonly record: Omit<LogRecord, 'error'> & { error?: PlainError } }
  | { readonly kind: 'closed' };

/** So many pieces of output of a bundle, of half a megabyte each, may be on their way before it waits. */
export const MOST_UNTAKEN = 8;

/** The bytes as they can be moved to another thread, and what to move. */
export function movable(data: Uint8Array): { data: Uint8Array<ArrayBuffer>; moved: ArrayBuffer[] } {
  const { buffer, byteLength } = data;
  const isAlone = buffer instanceof ArrayBuffer && buffer.byteLength === byteLength;
  // A clone of a part would be one of the whole.
  const own = isAlone ? (data as Uint8Array<ArrayBuffer>) : new Uint8Array(data);
  return { data: own, moved: [own.buffer] };
}
