// SPDX-License-Identifier: Apache-2.0
// Examples that could not be scored: what is told about each, and how Python tells it. The bytes are
// described in python-env/beambridge_host/dead_letters.py.

import { BeamBridgeError, ByteReader, type ByteWriter, type ErrorCode } from '../base/index.ts';
import type { PCollection } from '../pipeline/index.ts';

/** Why a row has no prediction. */
export interface Failure {
  /**
   * Class of the Python exception, such as `ValueError` or `mymodule.MyError`; or the code of an
   * error of this package: `INFERENCE_MISMATCH`, `ROW_MISMATCH`, `INT64_OUT_OF_RANGE`.
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
  return { element, errorType: error.code, message: error.shortMessage, traceback: '' };
}

/** The failures of a batch, by the index of their row. */
export function readFailures(bytes: Uint8Array): Map<number, Failure> {
  const input = new ByteReader(bytes);
  const failures = new Map<number, Failure>();
  for (let rest = input.varint(); rest > 0; rest--) {
    const row = input.varint();
    failures.set(row, {
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
  for (const [row, { errorType, message, traceback }] of failures) {
    out.varint(row);
    for (const text of [errorType, message, traceback]) out.prefixedUtf8(text);
  }
}
