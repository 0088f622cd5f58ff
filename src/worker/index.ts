// SPDX-License-Identifier: Apache-2.0
// Workers that are not the submitting program: a program finds its pipeline's name and is bundled here, and
// a worker loads it there, constructs the pipeline again, compares, and serves. May import harness, services
// and what those may import. Runners import it, so it knows none.

// For the submitting program.
export { type Bundle, bundleProgram, NATIVE_REMEDY } from './bundle.ts';
export {
  optionsToText,
  PROGRAM_OPTION,
  PROTOCOL,
  programToText,
  type WorkerProgram,
} from './contract.ts';
export { type Exported, findExport } from './exported.ts';
// For images of workers.
export { type ImageLanguage, type ImageOptions, workerImage } from './image/image.ts';
// For the worker.
export { makeLauncher, makeWorkerLauncher, ownCommand } from './launcher.ts';
export { type PackedProgram, packProgram } from './package/pack.ts';
export { endWithParent } from './parent.ts';
export { type PoolOptions, ProcessPool } from './pool.ts';
export { findProgram, keepProgram } from './program-cache.ts';
export { NPM } from './retrieve.ts';
export { runWorker, type WorkerOptions } from './run-worker.ts';
export { SERVE, type ServeRequest, serve } from './serve.ts';
export type { ThreadProgram } from './threads/messages.ts';
export { SERVE_THREAD, serveThread, type ThreadRequest } from './threads/serve-thread.ts';
export type { ThreadBundle } from './threads/thread-bundle.ts';
export { ThreadPool, type ThreadPoolOptions } from './threads/thread-pool.ts';
