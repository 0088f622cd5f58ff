// SPDX-License-Identifier: Apache-2.0
// Beam's job server for Flink: where its jars come from, and for which release of Flink they are.

import { BeamBridgeError, packagePath } from '../../base/index.ts';
import type { Service } from '../process/service.ts';
import { namesIn, short } from './class-path.ts';
import { getJobServer, type JobServerKind, type JobServerOptions } from './job-server.ts';

/** The release of Flink that is meant where none is named and no cluster tells. */
export const FLINK_VERSION = '1.20';
/** The release of Beam whose job server is fetched where none is named. */
export const FLINK_BEAM_VERSION = '2.77.0';

/** The configuration of a Flink inside the job server. */
const OWN = packagePath('java-env/flink');

const FLINK: JobServerKind = {
  name: "Flink's job server",
  engine: 'flink',
  driver: 'org.apache.beam.runners.flink.FlinkJobServerDriver',
  option: 'flinkJobServer',
  masterFlag: '--flink-master',
  // A cluster has a configuration of its own.
  driverOptions: (master) => (master === '[local]' ? ['--flink-conf-dir', OWN] : []),
};

/** Which job server is meant. `master` is `[local]`, a small Flink inside it, or `HOST:PORT` of a cluster's REST. */
export interface FlinkJobServerOptions extends Omit<JobServerOptions, 'jars' | 'check'> {
  /** A folder of jars, a jar, a class path, or Maven coordinates. @default coordinates made of the versions */
  readonly jars?: string | undefined;
  /** Major and minor release of Flink. @default '1.20' */
  readonly flinkVersion?: string | undefined;
  /** @default '2.77.0' */
  readonly beamVersion?: string | undefined;
}

/**
 * A job server that is ready; `info` is its `localhost:PORT`. It lives until the program ends.
 *
 * @throws BeamBridgeError `JAVA_NOT_FOUND`, `JAVA_TOO_OLD`, `ENGINE_NOT_FOUND`, `ENGINE_MISMATCH`,
 * `ENGINE_START_FAILED`, `ABORTED`
 */
export function getFlinkJobServer(options: FlinkJobServerOptions): Promise<Service<string>> {
  const { flinkVersion = FLINK_VERSION, beamVersion = FLINK_BEAM_VERSION } = options;
  const { jars = `org.apache.beam:beam-runners-flink-${flinkVersion}-job-server:${beamVersion}` } =
    options;
  return getJobServer(FLINK, {
    ...options,
    jars,
    check: (classPath) => checkVersion(classPath, options),
  });
}

/** A job server speaks to clusters of its own release only, and fails late and darkly with others. */
async function checkVersion(
  classPath: string,
  { flinkVersion, master }: FlinkJobServerOptions,
): Promise<void> {
  if (flinkVersion === undefined) return;
  const names = await namesIn(classPath);
  const found = names
    .map((name) => /^beam-runners-flink-(\d+\.\d+)\b/.exec(name)?.[1])
    .find((version) => version !== undefined);
  if (found === undefined || found === flinkVersion) return;
  throw new BeamBridgeError(
    'ENGINE_MISMATCH',
    `the job server is for Flink ${found}, and ${master} is to be ${flinkVersion}`,
    {
      hint: `Set flinkJobServer to jars of beam-runners-flink-${flinkVersion}. They are at ${short(classPath)} now.`,
    },
  );
}
