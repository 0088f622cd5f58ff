// SPDX-License-Identifier: Apache-2.0
// Examples that could not be scored: what is told about each, and how Python tells it. The bytes are
// described in python-env/beambridge_host/inference/dead_letters.py.

import { BeamBridgeError, ByteReader, type ByteWriter, type ErrorCode } from '../../base/index.ts';
import type { PCollection } from '../../pipeline/index.ts';

/**
 * Where a row failed:
 *
 * - `example`: the element does not fit the declared types, or was never to be scored;
 * - `preprocess`, `postprocess`: a function of `withPreprocess` or `withPostprocess`, or of the handler;
 * - `inference`: the model;
 * - `prediction`: what came out does not fit the declared type.
 */
export type InferenceStep = 'example' | 'preprocess' | 'inference' | 'postprocess' | 'prediction';

/** Why a row has no prediction. */
export interface Failure {
  /** Where it failed. */
  step: InferenceStep;
  /**
   * Which of several functions before or after the model, in the order in which they run, from 0.
   * The program's own and Python's count separately. 0 for other steps.
   */
  index: number;
  /**
   * Class of the Python exception, such as `ValueError` or `mymodule.MyError`; or the code of an
   * error of this package, such as `INFERENCE_MISMATCH` or `ROW_MISMATCH`; `TimeoutError` for a model
   * that took too long.
   */
  errorType: string;
  /** What the error says. */
  message: string;
  /** Python's traceback, at most its last 8,000 characters; empty for codes of this package. */
  traceback: string;
}

/** An example that could not be scored, and why. */
export interface FailedInference<T> extends Failure {
  /** The input's element; with keys the whole `{ key, value }`. */
  element: T;
}

/** What `RunInference` with dead letters gives. */
export type DeadLettered<InputT, OutputT> = {
  /** What the transform gives without dead letters. */
  predictions: PCollection<OutputT>;
  /** Every element that has no prediction, at its own time and in its own window. */
  failed: PCollection<FailedInference<InputT>>;
};

/** What {@link RunInference.withDeadLetters} may be told. */
export interface DeadLetterOptions {
  /**
   * The only `errorType`s that are dead letters: a row that fails with another one fails the run, with
   * `DEAD_LETTER_REFUSED`. Names of classes as `errorType` has them, a subclass by its own name: what
   * Beam's `exc_class` is for.
   *
   * @default all
   */
  errorTypes?: readonly string[] | undefined;
  /**
   * The run fails with `DEAD_LETTER_THRESHOLD` when more than this share of a window's rows fail, from
   * 0 to 1. Counted when the window ends, so never in the global window of unbounded input, which is
   * therefore refused. Beam counts batches where this counts rows. Unless it is given as 1, the run fails,
   * too, when its first 1,000 rows all fail with one message and none is scored before them.
   *
   * @default 1, but with the rule of the first 1,000 rows: given as 1, the run goes on whatever fails
   */
  threshold?: number | undefined;
  /**
   * How long one call of the handler may take, in milliseconds. All rows of a call that takes longer
   * fail with `TimeoutError`, and are not tried again. Loading the model does not count. Without
   * `useSubprocess` the call goes on behind the scenes, because Python can stop no thread.
   *
   * @default no limit
   */
  timeoutMs?: number | undefined;
  /**
   * Whether the model is in a child process of its own, which is ended when a call takes too long and
   * started again, model and all, when it ended by itself: then exactly the rows that end it fail, with
   * `MODEL_PROCESS_DIED`. Examples and predictions cross another process boundary.
   *
   * @default false
   */
  useSubprocess?: boolean | undefined;
}

/** Output of elements that were never sent. */
export const REJECTED = 'rejected';
/** Output of elements that failed in Python. */
export const FAILED = 'failed';

const MISFITS: ReadonlySet<ErrorCode> = new Set([
  'ROW_MISMATCH',
  'INT64_OUT_OF_RANGE',
  'CODER_MISMATCH',
]);

/** Whether an error says that a value does not fit its declared type. */
export function isMisfit(error: unknown): error is BeamBridgeError {
  return error instanceof BeamBridgeError && MISFITS.has(error.code);
}

/** The dead letter of an element that does not fit its declared type. */
export function rejection(element: unknown, error: BeamBridgeError): FailedInference<unknown> {
  return { element, ...failureOf(error, 'example') };
}

const LONGEST_TRACEBACK = 8_000;

/** What is told of a failure in a line. */
export function reasonOf({ errorType, message }: Failure): string {
  return `${errorType}: ${message.length > 300 ? `${message.slice(0, 300)}…` : message}`;
}

/** What something thrown means for the row for which it was thrown. */
export function failureOf(thrown: unknown, step: InferenceStep, index = 0): Failure {
  if (thrown instanceof BeamBridgeError) {
    const { code: errorType, shortMessage: message } = thrown;
    return { step, index, errorType, message, traceback: '' };
  }
  if (!(thrown instanceof Error)) {
    return { step, index, errorType: typeof thrown, message: String(thrown), traceback: '' };
  }
  const { name: errorType, message, stack = '' } = thrown;
  return { step, index, errorType, message, traceback: stack.slice(-LONGEST_TRACEBACK) };
}

/** The failures of a batch, by the index of their row. */
export function readFailures(bytes: Uint8Array): Map<number, Failure> {
  const input = new ByteReader(bytes);
  const failures = new Map<number, Failure>();
  for (let rest = input.varint(); rest > 0; rest--) {
    const row = input.varint();
    const [step, index] = input.prefixedUtf8().split(' ');
    failures.set(row, {
      step: step as InferenceStep,
      index: Number(index ?? 0),
      errorType: input.prefixedUtf8(),
      message: input.prefixedUtf8(),
      traceback: input.prefixedUtf8(),
    });
  }
  return failures;
}

/** The other way, where a function of this program stands in for Python. */
export function writeFailures(failures: ReadonlyMap<number, Failure>, out: ByteWriter): void {
  out.varint(failures.size);
  for (const [row, { step, index, errorType, message, traceback }] of failures) {
    out.varint(row);
    for (const text of [`${step} ${index}`, errorType, message, traceback]) out.prefixedUtf8(text);
  }
}
