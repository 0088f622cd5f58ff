// SPDX-License-Identifier: Apache-2.0
// Leaves that every room may import: the error, the logger, byte buffers, where the package
// lies. Imports nothing of ours.

export { type Asking, NEVER_ABORTED } from './asking.ts';
export { ByteReader } from './byte-reader.ts';
export { ByteWriter } from './byte-writer.ts';
export { conceal, concealError } from './conceal.ts';
export { Condition } from './condition.ts';
export { isErrorCode } from './error-codes.ts';
export { errorNonce, isErrorNonce } from './error-nonces.ts';
export { BeamBridgeError, type ErrorCode, type ErrorDetails } from './errors.ts';
export { removeAtExit, removeExitFolders } from './exit-folders.ts';
export { given } from './given.ts';
export { JointWork } from './joint-work.ts';
export { latin1 } from './latin1.ts';
export {
  getLogger,
  LOG_LEVELS,
  type Logger,
  type LogLevel,
  type LogRecord,
  setLogLevel,
  setLogSink,
} from './log.ts';
export { makeFolders } from './make-folders.ts';
export { mapSome } from './map-some.ts';
export { nap } from './nap.ts';
export {
  checkNearNames,
  checkOptionNames,
  checkTexts,
  isNear,
  type OptionNames,
  unknownOption,
} from './option-names.ts';
export { CODE_FOLDER, packagePath, packageVersion } from './package.ts';
export { MOST_ATTEMPTS, type RetryOptions, retry } from './retry.ts';
export { roughSize, roughSizeOfAll } from './rough-size.ts';
export { keepSteady, steadyNow } from './steady-clock.ts';
export { isThenable } from './thenable.ts';
export { yieldIfDue } from './turn.ts';
export { NO_TURN, type Turn, type TurnAsking, Turns, type TurnWords } from './turns.ts';
export { within } from './within.ts';
export { setThisWorker, type ThisWorker, thisWorker } from './worker-process.ts';
