// SPDX-License-Identifier: Apache-2.0
// The codes of errors as values, for what says a code from outside: text is no code because it looks
// like one.

import type { ErrorCode } from './errors.ts';

/** The compiler demands each code here, and no other. */
const CODES = {
  INVALID_ARGUMENT: true,
  DUPLICATE_TRANSFORM_NAME: true,
  EMPTY_PIPELINE: true,
  UNSUPPORTED: true,
  INVALID_SCHEMA: true,
  NO_PORTABLE_TYPE: true,
  NON_DETERMINISTIC_KEY: true,
  CODER_MISMATCH: true,
  INT64_OUT_OF_RANGE: true,
  MALFORMED_DATA: true,
  UNKNOWN_CODER: true,
  ROW_MISMATCH: true,
  EXPANSION_FAILED: true,
  EXPANSION_SERVICE_UNAVAILABLE: true,
  UNKNOWN_PYTHON_CALLABLE: true,
  PYTHON_EXCEPTION: true,
  MODEL_NOT_FOUND: true,
  MODEL_INVALID: true,
  PACKAGE_NOT_FOUND: true,
  INFERENCE_MISMATCH: true,
  CREDENTIALS_MISSING: true,
  CREDENTIALS_REFUSED: true,
  ENDPOINT_UNAVAILABLE: true,
  ENDPOINT_REFUSED: true,
  ENDPOINT_MISMATCH: true,
  MODEL_OUT_OF_MEMORY: true,
  NO_MODEL_FOR_KEY: true,
  DEAD_LETTER_THRESHOLD: true,
  DEAD_LETTER_REFUSED: true,
  JOB_FAILED: true,
  JOB_CANCELLED: true,
  JOB_SERVICE_UNAVAILABLE: true,
  USER_CODE_FAILED: true,
  ASSERTION_FAILED: true,
  FUNCTION_NOT_FOUND: true,
  HARNESS_PROTOCOL: true,
  TIMEOUT: true,
  ABORTED: true,
  PYTHON_NOT_FOUND: true,
  PYTHON_TOO_OLD: true,
  ENVIRONMENT_OFFLINE: true,
  ENVIRONMENT_BUILD_FAILED: true,
  PACKAGE_NOT_INSTALLABLE: true,
  HOST_START_FAILED: true,
  HOST_DIED: true,
  WORKER_DIED: true,
  ENGINE_NOT_FOUND: true,
  ENGINE_START_FAILED: true,
  ENGINE_MISMATCH: true,
  ENGINE_DIED: true,
  JAVA_NOT_FOUND: true,
  JAVA_TOO_OLD: true,
  FILE_NOT_FOUND: true,
  OUTPUT_NOT_WRITABLE: true,
  IO_FAILED: true,
  INPUT_MUTATED: true,
  INTERNAL: true,
} satisfies Record<ErrorCode, true>;

/** Whether a text is a code of this package's errors. */
export function isErrorCode(text: unknown): text is ErrorCode {
  return typeof text === 'string' && Object.hasOwn(CODES, text);
}
