// SPDX-License-Identifier: Apache-2.0
// Beam's job servers for engines of Java: their jars found or fetched, started, shared by all runs of this
// program that want the same one, since one takes seconds to start.

import { packagePath } from '../../base/index.ts';
import { type Service, startService } from '../process/service.ts';
import { type ArtifactFolder, artifactFolder } from './artifact-folder.ts';
import { classPathOf, sayProgress, short } from './class-path.ts';
import { findJava, OPEN_PACKAGES } from './java.ts';

const START_TIMEOUT_MS = 120_000;
/** Beam's servers listen on all addresses without it, whatever they are told: see its source beside it. */
const LOOPBACK_AGENT = packagePath('java-env/loopback.jar');

/** What tells the job server of one engine from that of another. */
export interface JobServerKind {
  /** What messages call it. */
  readonly name: string;
  /** The word for the engine in names of folders. */
  readonly engine: string;
  /** The class that is its program. */
  readonly driver: string;
  /** The option that says where its jars are. */
  readonly option: string;
  /** How the driver is told of the engine's master. */
  readonly masterFlag: string;
  /** What the driver is told besides. @default nothing */
  driverOptions?(master: string): readonly string[];
  /** What Java is told besides the caller's options, which come later and win. @default nothing */
  javaOptions?(master: string): readonly string[];
}

/** Which job server is meant. */
export interface JobServerOptions {
  /** The engine, as its driver is told of it. */
  readonly master: string;
  /** A folder of jars, a jar, a class path, or Maven coordinates. */
  readonly jars: string;
  /** @default ['-Xmx1g'] */
  readonly javaOptions?: readonly string[] | undefined;
  /** Where staged artifacts are put. @default 'while we run' */
  readonly artifacts?: ArtifactFolder | undefined;
  /** Sees the class path before anything is started, and may refuse it. @default every one is right */
  readonly check?: ((classPath: string) => Promise<void>) | undefined;
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
export async function getJobServer(
  kind: JobServerKind,
  options: JobServerOptions,
): Promise<Service<string>> {
  const { master, javaOptions = ['-Xmx1g'], artifacts = 'while we run', signal } = options;
  const java = await findJava(signal);
  const classPath = await jarsOf(kind, options);
  await options.check?.(classPath);
  const key = JSON.stringify([kind.engine, java, classPath, master, javaOptions, artifacts]);
  const known = servers.get(key);
  if (known) return known;
  // Not with the signal: others may have joined by the time that it fires.
  const starting = start(kind, java, classPath, { master, javaOptions, artifacts });
  servers.set(key, starting);
  const forget = () => {
    if (servers.get(key) === starting) servers.delete(key);
  };
  starting.then(({ exited }) => exited.then(forget), forget);
  return starting;
}

/** Stops every job server that this program started. */
export async function stopJobServers(): Promise<void> {
  const running = [...servers.values()];
  servers.clear();
  await Promise.allSettled(running.map(async (server) => (await server).stop()));
}

async function start(
  kind: JobServerKind,
  java: string,
  classPath: string,
  options: Required<Pick<JobServerOptions, 'master'>> & {
    readonly javaOptions: readonly string[];
    readonly artifacts: ArtifactFolder;
  },
): Promise<Service<string>> {
  const { name, engine, driver, masterFlag } = kind;
  const { folder: artifacts, tidyUp } = await artifactFolder(engine, options.artifacts);
  const starting = startService({
    name,
    command: java,
    args: [
      `-javaagent:${LOOPBACK_AGENT}`,
      ...OPEN_PACKAGES,
      ...(kind.javaOptions?.(options.master) ?? []),
      ...options.javaOptions,
      '-cp',
      classPath,
      driver,
      ...['--job-host', 'localhost', '--job-port', '0'],
      ...['--artifact-port', '0', '--expansion-port', '0'],
      ...['--artifacts-dir', artifacts, '--clean-artifacts-per-job'],
      ...[masterFlag, options.master],
      ...(kind.driverOptions?.(options.master) ?? []),
    ],
    ready: (line) => /JobService started on (\S+:\d+)/.exec(line)?.[1],
    readyOnErrors: true,
    startTimeout: START_TIMEOUT_MS,
    failure: 'ENGINE_START_FAILED',
    hint: `The jars must be those of ${name}, which is Beam's, with all that they need: ${short(classPath)}`,
  });
  starting.then(({ exited }) => exited.then(tidyUp), tidyUp).catch(() => {});
  return starting;
}

/** What Java is told. */
function jarsOf(kind: JobServerKind, options: JobServerOptions): Promise<string> {
  const { jars, onProgress = sayProgress, signal } = options;
  const hint = `Set ${kind.option} to the jar of ${kind.name}, to a folder with its jars, or to Maven coordinates; BEAMBRIDGE_MAVEN_REPOSITORY names another repository than Maven Central.`;
  return classPathOf(jars, { hint, onProgress, signal });
}
