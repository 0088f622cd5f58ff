// SPDX-License-Identifier: Apache-2.0
// The one error that leaves this package: a stable code, what happened, and what to do about it.

import { isErrorCode } from './error-codes.ts';
import { printable } from './printable.ts';

/**
 * Every code that a {@link BeamBridgeError} can carry. Codes are stable: a program may switch on
 * them. `docs/errors.md` lists each with its usual cause.
 */
export type ErrorCode =
  // What the pipeline says, found while it is built.
  | 'INVALID_ARGUMENT'
  | 'DUPLICATE_TRANSFORM_NAME'
  | 'EMPTY_PIPELINE'
  | 'UNSUPPORTED'
  | 'INVALID_SCHEMA'
  | 'NO_PORTABLE_TYPE'
  | 'NON_DETERMINISTIC_KEY'
  // Values that do not fit their type.
  | 'CODER_MISMATCH'
  | 'INT64_OUT_OF_RANGE'
  | 'MALFORMED_DATA'
  | 'UNKNOWN_CODER'
  | 'ROW_MISMATCH'
  | 'INPUT_MUTATED'
  // Cross-language.
  | 'EXPANSION_FAILED'
  | 'EXPANSION_SERVICE_UNAVAILABLE'
  | 'UNKNOWN_PYTHON_CALLABLE'
  | 'PYTHON_EXCEPTION'
  | 'UNKNOWN_JAVA_TRANSFORM'
  | 'JAVA_EXCEPTION'
  | 'MODEL_NOT_FOUND'
  | 'MODEL_INVALID'
  | 'PACKAGE_NOT_FOUND'
  | 'INFERENCE_MISMATCH'
  // Models that are served elsewhere.
  | 'CREDENTIALS_MISSING'
  | 'CREDENTIALS_REFUSED'
  | 'ENDPOINT_UNAVAILABLE'
  | 'ENDPOINT_REFUSED'
  | 'ENDPOINT_MISMATCH'
  | 'MODEL_OUT_OF_MEMORY'
  | 'MODEL_PROCESS_DIED'
  | 'NO_MODEL_FOR_KEY'
  | 'DEAD_LETTER_THRESHOLD'
  | 'DEAD_LETTER_REFUSED'
  // Running.
  | 'JOB_FAILED'
  | 'JOB_CANCELLED'
  | 'JOB_SERVICE_UNAVAILABLE'
  | 'USER_CODE_FAILED'
  | 'ASSERTION_FAILED'
  | 'FUNCTION_NOT_FOUND'
  | 'HARNESS_PROTOCOL'
  | 'TIMEOUT'
  | 'ABORTED'
  // Workers that are not the submitting program.
  | 'WORKER_MISMATCH'
  | 'PIPELINE_NOT_EXPORTED'
  | 'PROGRAM_NOT_BUNDLED'
  | 'NATIVE_PACKAGE'
  | 'PROGRAM_NOT_PACKED'
  | 'PROGRAM_NOT_INSTALLED'
  | 'ARTIFACT_DAMAGED'
  | 'WORKER_START_FAILED'
  // The managed Python and its processes.
  | 'PYTHON_NOT_FOUND'
  | 'PYTHON_TOO_OLD'
  | 'ENVIRONMENT_OFFLINE'
  | 'ENVIRONMENT_BUILD_FAILED'
  | 'PACKAGE_NOT_INSTALLABLE'
  | 'HOST_START_FAILED'
  | 'HOST_DIED'
  | 'WORKER_DIED'
  // Engines that are started here.
  | 'ENGINE_NOT_FOUND'
  | 'ENGINE_START_FAILED'
  | 'ENGINE_MISMATCH'
  | 'ENGINE_DIED'
  | 'JAVA_NOT_FOUND'
  | 'JAVA_TOO_OLD'
  // Kafka.
  | 'TOPIC_NOT_FOUND'
  // Databases.
  | 'TABLE_NOT_FOUND'
  | 'CONSTRAINT_VIOLATED'
  // Files.
  | 'FILE_NOT_FOUND'
  | 'HEADER_MISMATCH'
  | 'OUTPUT_NOT_WRITABLE'
  | 'IO_FAILED'
  // A defect of this package: please report it.
  | 'INTERNAL';

/** What a {@link BeamBridgeError} is made from. */
export interface ErrorDetails {
  /** What the reader can do about it, as a full sentence. */
  hint?: string | undefined;
  /** Unique name of the transform that the error belongs to. */
  transform?: string | undefined;
  /** Where in the user's program that transform was applied: `file:line:column`. */
  appliedAt?: string | undefined;
  /** Longer text behind the message: a Python traceback, the last lines of a process. */
  detail?: string | undefined;
  cause?: unknown;
}

/**
 * The error that every rejected promise and every throw of this package carries.
 *
 * @example
 * ```ts
 * try {
 *   await runner.run(pipeline);
 * } catch (error) {
 *   if (error instanceof BeamBridgeError && error.code === 'MODEL_NOT_FOUND') …
 * }
 * ```
 */
export class BeamBridgeError extends Error {
  override readonly name = 'BeamBridgeError';
  readonly code: ErrorCode;
  /** The message alone, without the code, the transform and the hint. */
  readonly shortMessage: string;
  readonly hint: string | undefined;
  readonly transform: string | undefined;
  readonly appliedAt: string | undefined;
  readonly detail: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(describe(code, message, details), { cause: details.cause });
    this.code = code;
    this.shortMessage = message;
    this.hint = details.hint;
    this.transform = details.transform;
    this.appliedAt = details.appliedAt;
    this.detail = details.detail;
    // The message holds it already: Node prints both, and a traceback is long.
    Object.defineProperty(this, 'detail', { enumerable: false });
  }

  /** Anything that was thrown, as a BeamBridgeError; one that already is stays as it is. */
  static from(thrown: unknown, code: ErrorCode = 'INTERNAL'): BeamBridgeError {
    if (thrown instanceof BeamBridgeError) return thrown;
    if (isOfAnotherCopy(thrown))
      return new BeamBridgeError(thrown.code, thrown.shortMessage, thrown);
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new BeamBridgeError(code, message, { cause: thrown });
  }

  /** The same error with details added where it had none yet. */
  with(details: ErrorDetails): BeamBridgeError {
    const merged = new BeamBridgeError(this.code, this.shortMessage, {
      hint: this.hint ?? details.hint,
      transform: this.transform ?? details.transform,
      appliedAt: this.appliedAt ?? details.appliedAt,
      detail: this.detail ?? details.detail,
      cause: this.cause ?? details.cause,
    });
    if (this.stack) merged.stack = this.stack.replace(this.message, merged.message);
    return merged;
  }
}

/** A program in a worker may have a copy of this package beside the worker's own, with a class of its own. */
function isOfAnotherCopy(thrown: unknown): thrown is BeamBridgeError {
  if (!(thrown instanceof Error) || thrown.name !== 'BeamBridgeError') return false;
  const { code, shortMessage } = thrown as Partial<BeamBridgeError>;
  return isErrorCode(code) && typeof shortMessage === 'string';
}

function describe(code: ErrorCode, message: string, details: ErrorDetails): string {
  const lines = [`${message} [${code}]`];
  if (details.transform) {
    const at = details.appliedAt ? ` (applied at ${details.appliedAt})` : '';
    lines.push(`  in transform: ${details.transform}${at}`);
  }
  if (details.hint) lines.push(`  hint: ${details.hint}`);
  if (details.detail)
    lines.push(
      ...details.detail
        .trimEnd()
        .split('\n')
        .map((l) => `  | ${l}`),
    );
  return printable(lines.join('\n'));
}
