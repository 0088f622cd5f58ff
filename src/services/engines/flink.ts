// SPDX-License-Identifier: Apache-2.0
// Beam's job server for Flink, a program in Java: its jars found or fetched, started, shared by all
// runs of this program that want the same one, since it takes seconds to start.

import { existsSync, statSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { BeamBridgeError, removeAtExit } from '../../base/index.ts';
import { type Service, startService } from '../process/service.ts';
import { findJava, OPEN_PACKAGES } from './java.ts';
import { isCoordinates, mavenJar } from './maven.ts';

/** The release of Flink that is meant where none is named and no cluster tells. */
export const FLINK_VERSION = '1.20';
/** The release of Beam whose job server is fetched where none is named. */
export const FLINK_BEAM_VERSION = '2.77.0';

const DRIVER = 'org.apache.beam.runners.flink.FlinkJobServerDriver';
const START_TIMEOUT_MS = 120_000;

/** Which job server is meant. */
export interface FlinkJobServerOptions {
  /** `[local]`, which is a small Flink inside the job server, or `HOST:PORT` of a cluster's REST. */
  readonly master: string;
  /** A folder of jars, a jar, a class path, or Maven coordinates. @default coordinates made of the versions */
  readonly jars?: string | undefined;
  /** Major and minor release of Flink. @default '1.20' */
  readonly flinkVersion?: string | undefined;
  /** @default '2.77.0' */
  readonly beamVersion?: string | undefined;
  /** @default ['-Xmx1g'] */
  readonly javaOptions?: readonly string[] | undefined;
  /** Hears what takes long. @default a line on standard error */
  readonly onProgress?: ((message: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Job servers that run or start, by what they were started with. */
const servers = new Map<string, Promise<Service<string>>>();

/**
 * A job server that is ready; `info` is its `localhost:PORT`. It lives until the program ends.
 *
 * @throws BeamBridgeError `JAVA_NOT_FOUND`, `JAVA_TOO_OLD`, `ENGINE_NOT_FOUND`, `ENGINE_MISMATCH`,
 * `ENGINE_START_FAILED`, `ABORTED`
 */
export async function getFlinkJobServer(options: FlinkJobServerOptions): Promise<Service<string>> {
  const { master, javaOptions = ['-Xmx1g'], signal } = options;
  const java = await findJava(signal);
  const classPath = await classPathOf(options);
  await checkVersion(classPath, options);
  const key = JSON.stringify([java, classPath, master, javaOptions]);
  const known = servers.get(key);
  if (known) return known;
  // Not with the signal: others may have joined by the time that it fires.
  const starting = start(java, classPath, master, javaOptions);
  servers.set(key, starting);
  const forget = () => {
    if (servers.get(key) === starting) servers.delete(key);
  };
  starting.then(({ exited }) => exited.then(forget), forget);
  return starting;
}

/** Stops every job server that this program started. */
export async function stopFlinkJobServers(): Promise<void> {
  const running = [...servers.values()];
  servers.clear();
  await Promise.allSettled(running.map(async (server) => (await server).stop()));
}

async function start(
  java: string,
  classPath: string,
  master: string,
  javaOptions: readonly string[],
): Promise<Service<string>> {
  const artifacts = await mkdtemp(path.join(tmpdir(), 'beambridge-flink-'));
  const keep = removeAtExit(artifacts);
  const tidyUp = async () => {
    keep();
    await rm(artifacts, { recursive: true, force: true });
  };
  const starting = startService({
    name: "Flink's job server",
    command: java,
    args: [
      ...OPEN_PACKAGES,
      ...javaOptions,
      '-cp',
      classPath,
      DRIVER,
      ...['--job-host', 'localhost', '--job-port', '0'],
      ...['--artifact-port', '0', '--expansion-port', '0'],
      ...['--artifacts-dir', artifacts, '--clean-artifacts-per-job'],
      ...['--flink-master', master],
    ],
    ready: (line) => /JobService started on (\S+:\d+)/.exec(line)?.[1],
    readyOnErrors: true,
    startTimeout: START_TIMEOUT_MS,
    failure: 'ENGINE_START_FAILED',
    hint: `The jars must be those of Beam's job server for Flink with all that they need: ${short(classPath)}`,
  });
  starting.then(({ exited }) => exited.then(tidyUp), tidyUp).catch(() => {});
  return starting;
}

/** What Java is told. */
async function classPathOf(options: FlinkJobServerOptions): Promise<string> {
  const { flinkVersion = FLINK_VERSION, beamVersion = FLINK_BEAM_VERSION, signal } = options;
  const {
    jars = `org.apache.beam:beam-runners-flink-${flinkVersion}-job-server:${beamVersion}`,
    onProgress = say,
  } = options;
  if (isCoordinates(jars) && !existsSync(jars.split(path.delimiter)[0]!)) {
    return mavenJar(jars, { hint: JARS_HINT, onProgress, signal });
  }
  const missing = jars
    .split(path.delimiter)
    .map((entry) => entry.replace(/\/\*$/, ''))
    .find((entry) => !existsSync(entry));
  if (missing !== undefined) {
    throw new BeamBridgeError('ENGINE_NOT_FOUND', `there is nothing at ${path.resolve(missing)}`, {
      hint: JARS_HINT,
    });
  }
  return existsSync(jars) && statSync(jars).isDirectory()
    ? path.join(path.resolve(jars), '*')
    : jars;
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

async function namesIn(classPath: string): Promise<string[]> {
  const names = classPath.split(path.delimiter).map(async (entry) => {
    if (!entry.endsWith('/*')) return [path.basename(entry)];
    return readdir(entry.slice(0, -2)).catch(() => []);
  });
  return (await Promise.all(names)).flat();
}

const JARS_HINT =
  "Set flinkJobServer to the jar of Beam's Flink job server, to a folder with its jars, or to Maven coordinates; BEAMBRIDGE_MAVEN_REPOSITORY names another repository than Maven Central.";

function short(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

function say(message: string): void {
  process.stderr.write(`beambridge: ${message}\n`);
}
