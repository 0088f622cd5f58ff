// SPDX-License-Identifier: Apache-2.0
// Processes and Python environments: start, ready, health, stop. The only room that starts processes.
// It may import `base`.

// Beam's own engines.
export type { ArtifactFolder } from './engines/artifact-folder.ts';
export {
  type DataflowJob,
  type DataflowOptions,
  type DataflowService,
  startDataflow,
} from './engines/dataflow.ts';
export {
  FLINK_BEAM_VERSION,
  FLINK_VERSION,
  type FlinkJobServerOptions,
  getFlinkJobServer,
} from './engines/flink.ts';
export { findJava } from './engines/java.ts';
export { stopJobServers } from './engines/job-server.ts';
export { findPrism, PRISM_VERSION, type PrismOptions, startPrism } from './engines/prism.ts';
export {
  getSparkJobServer,
  SPARK_BEAM_VERSION,
  type SparkJobServerOptions,
} from './engines/spark.ts';
// The Python host.
export { type BootCommand, pythonBoot } from './host/boot.ts';
export {
  findDetachedHost,
  listDetachedHosts,
  type StartDetachedHostOptions,
  startDetachedHost,
  stopDetachedHosts,
} from './host/detached.ts';
export { onHostExit, type Served } from './host/exits.ts';
export { type Host, type StartHostOptions, startHost } from './host/host.ts';
export { getHost, getHostLike, type HostRequest, runningHosts, stopHosts } from './host/manager.ts';
// Where the Python package of ours lies, for those who send its source elsewhere.
export { PYTHON_ENV_FOLDER } from './host/paths.ts';
// Java's expansion service.
export {
  getJavaService,
  type JavaService,
  type JavaServiceOptions,
  runningJavaServices,
  stopJavaServices,
} from './java/service.ts';
// Packages of npm's.
export { type NpmFailure, npmInstall, npmPack, type PackedFolder } from './npm/npm.ts';
export { unpackTarball } from './npm/tarball.ts';
// A process that runs until it ends.
export { type Program, type ProgramOptions, startProgram } from './process/program.ts';
// Any other service.
export {
  type Service,
  type ServiceExit,
  type ServiceOptions,
  startService,
} from './process/service.ts';
export { cacheFolder } from './python/cache.ts';
// A Python with what a pipeline needs.
export {
  type EnvironmentOptions,
  type EnvironmentProgress,
  ensurePythonEnvironment,
  type PythonEnvironment,
} from './python/environment.ts';
// The environments that there are, and their removal.
export {
  listPythonEnvironments,
  type StoredEnvironment,
  sizeOf,
} from './python/inventory.ts';
export { localPythonVersion } from './python/local-version.ts';
// One builder at a time.
export { acquireLock, type Lock } from './python/lock.ts';
export {
  cleanPythonEnvironments,
  type PruneOptions,
  prunePythonEnvironments,
  type Removal,
} from './python/removal.ts';
export {
  collectRequirements as pythonRequirements,
  PYTHON_EXTRAS,
  type PythonExtra,
} from './python/requirements.ts';
