// SPDX-License-Identifier: Apache-2.0
// What executes Python stages for the node runner: a server of Beam's Fn API, and the worker processes
// of the managed host that connect to it. It knows gRPC, and nothing of scheduling.

export {
  isWorkerLost,
  isWorkerOrHostLost,
  PythonExecutor,
  type PythonExecutorOptions,
} from './executor.ts';
