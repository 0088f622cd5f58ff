// SPDX-License-Identifier: Apache-2.0
// Beam's job server for Spark: where its jars come from.

import type { Service } from '../process/service.ts';
import { getJobServer, type JobServerKind, type JobServerOptions } from './job-server.ts';

/** The release of Beam whose job server is fetched where none is named. */
export const SPARK_BEAM_VERSION = '2.77.0';

const OWN = [
  '-Dspark.ui.enabled=false',
  '-Dspark.driver.bindAddress=127.0.0.1',
  '-Dspark.driver.host=127.0.0.1',
];

const SPARK: JobServerKind = {
  name: "Spark's job server",
  engine: 'spark',
  driver: 'org.apache.beam.runners.spark.SparkJobServerDriver',
  option: 'sparkJobServer',
  masterFlag: '--spark-master-url',
  // Spark shows its jobs, and how to end them, to everybody who asks. Executors elsewhere must reach the driver.
  javaOptions: (master) => (master.startsWith('local') ? OWN : ['-Dspark.ui.enabled=false']),
};

/** Which job server is meant. `master` is what Spark calls so: `local[*]`, `spark://HOST:PORT`. */
export interface SparkJobServerOptions extends Omit<JobServerOptions, 'jars' | 'check'> {
  /** A folder of jars, a jar, a class path, or Maven coordinates. @default coordinates made of the version */
  readonly jars?: string | undefined;
  /** @default '2.77.0' */
  readonly beamVersion?: string | undefined;
}

/**
 * A job server that is ready; `info` is its `localhost:PORT`. It lives until the program ends.
 *
 * @throws BeamBridgeError `JAVA_NOT_FOUND`, `JAVA_TOO_OLD`, `ENGINE_NOT_FOUND`, `ENGINE_MISMATCH`,
 * `ENGINE_START_FAILED`, `ABORTED`
 */
export function getSparkJobServer(options: SparkJobServerOptions): Promise<Service<string>> {
  const { beamVersion = SPARK_BEAM_VERSION } = options;
  const { jars = `org.apache.beam:beam-runners-spark-3-job-server:${beamVersion}` } = options;
  return getJobServer(SPARK, { ...options, jars });
}
