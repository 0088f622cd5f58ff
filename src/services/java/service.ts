// SPDX-License-Identifier: Apache-2.0
// Beam's expansion service for Java, with Java's harness in the same process: its jars found or fetched,
// started, shared by all runs of this program that want the same one, since it takes seconds to start.

import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { BeamBridgeError, conceal, getLogger, packagePath } from '../../base/index.ts';
import { classPathOf, sayProgress, short } from '../engines/class-path.ts';
import { findJava, OPEN_PACKAGES } from '../engines/java.ts';
import { type ServiceExit, startService } from '../process/service.ts';

/** The folder with the classes of ours, beside `src` or `dist`. */
const OWN_CLASSES = packagePath('java-env');
const MAIN = 'beambridge.ExpansionHost';
const START_TIMEOUT_MS = 120_000;

const log = getLogger('java');

/** Which service of Java is meant. */
export interface JavaServiceOptions {
  /** Jars, folders with jars, class paths, or Maven coordinates (`group:artifact:version`), in their order. */
  readonly jars: readonly string[];
  /** The file, in Beam's own form, that says which classes may be made by name. @default '*', all of them */
  readonly allowlist?: string | undefined;
  /** @default ['-Xmx1g'] */
  readonly javaOptions?: readonly string[] | undefined;
  /**
   * Whether a harness in the service's own process runs what it expands. Otherwise that is for Beam's
   * container image with the jars of the class path, which the runner must be able to start.
   * @default true
   */
  readonly worker?: boolean | undefined;
  /** Milliseconds until one that is not ready is ended. @default 120000 */
  readonly startTimeout?: number | undefined;
  /** Hears what takes long. @default a line on standard error */
  readonly onProgress?: ((message: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A service of Java that is ready. It lives until the program ends. */
export interface JavaService {
  /** `127.0.0.1:PORT` of its expansions, its artifacts, and its worker pool. */
  readonly address: string;
  /** Calls carry it as `authorization: Bearer <token>`, requests for workers as the parameter `token`. */
  readonly token: string;
  /** The release of Beam on its class path. */
  readonly beam: string;
  /** Whether its worker pool runs what it expands. */
  readonly worker: boolean;
  /** Resolves when the process is gone; never rejects. */
  readonly exited: Promise<ServiceExit>;
  readonly alive: boolean;
  /** Of this program alone, as all of them are. */
  readonly isOwn: true;
  /** The last 16 KiB of what it wrote to standard error. */
  stderr(): string;
  /** Why calls to it fail now that it is gone. */
  diedError(): BeamBridgeError;
  /** SIGTERM, then SIGKILL. */
  stop(): Promise<void>;
}

/** Services that run or start, by what they were started with. */
const services = new Map<string, Promise<JavaService>>();
/** Those of them that are ready. */
const ready = new Set<JavaService>();

/**
 * A service that is ready.
 *
 * @throws BeamBridgeError `JAVA_NOT_FOUND`, `JAVA_TOO_OLD`, `ENGINE_NOT_FOUND`, `ENGINE_MISMATCH`,
 * `ENGINE_START_FAILED`, `INVALID_ARGUMENT`, `ABORTED`
 */
export async function getJavaService(options: JavaServiceOptions): Promise<JavaService> {
  const { jars, allowlist = '*', javaOptions = ['-Xmx1g'], worker = true, signal } = options;
  checkAllowlist(allowlist);
  const java = await findJava(signal);
  const { onProgress = sayProgress } = options;
  const classPath = await classPathOf(jars, { hint: JARS_HINT, onProgress, signal });
  const key = JSON.stringify([java, classPath, allowlist, javaOptions, worker]);
  const known = services.get(key);
  if (known) return unlessAborted(known, signal);
  // Not with the signal: others may have joined by the time that it fires.
  const { startTimeout = START_TIMEOUT_MS } = options;
  const starting = start({ java, classPath, allowlist, javaOptions, worker, startTimeout });
  services.set(key, starting);
  const forget = () => {
    if (services.get(key) === starting) services.delete(key);
  };
  starting.then(({ exited }) => exited.then(forget), forget);
  return unlessAborted(starting, signal);
}

/** The services that run. */
export function runningJavaServices(): JavaService[] {
  return [...ready];
}

/** Stops every service of Java that this program started. */
export async function stopJavaServices(): Promise<void> {
  const running = [...services.values()];
  services.clear();
  await Promise.allSettled(running.map(async (service) => (await service).stop()));
}

interface StartOptions {
  readonly java: string;
  readonly classPath: string;
  readonly allowlist: string;
  readonly javaOptions: readonly string[];
  readonly worker: boolean;
  readonly startTimeout: number;
}

async function start(options: StartOptions): Promise<JavaService> {
  const { java, classPath, allowlist, javaOptions, worker, startTimeout } = options;
  const token = randomBytes(24).toString('base64url');
  let missing: string | undefined;
  const service = await startService<Announcement>({
    name: "Java's expansion service",
    command: java,
    args: [
      ...OPEN_PACKAGES,
      // One that is out of memory would go on with some of its threads, and answer nothing.
      '-XX:+ExitOnOutOfMemoryError',
      ...javaOptions,
      '-cp',
      [OWN_CLASSES, classPath].join(path.delimiter),
      MAIN,
      `--javaClassLookupAllowlistFile=${allowlist}`,
      ...(worker ? ['--alsoStartLoopbackWorker'] : []),
    ],
    env: { BEAMBRIDGE_JAVA_TOKEN: token },
    ready: (line) => {
      const said = announcementIn(line);
      missing ??= said?.missing;
      return said?.address === undefined ? undefined : said;
    },
    onLine: (line) => log.debug(conceal(line)),
    onErrorLine: (line) => log.debug(conceal(line)),
    startTimeout,
    failure: 'ENGINE_START_FAILED',
    hint: `The class path must hold Beam's expansion service for Java and its harness with all that they need: ${short(classPath)}`,
  }).catch((error: unknown) => {
    throw missing === undefined ? error : withoutClass(missing, classPath);
  });
  const { address = '', beam = '' } = service.info;
  const running: JavaService = {
    address,
    token,
    beam,
    worker,
    isOwn: true,
    exited: service.exited,
    get alive() {
      return service.exit === undefined;
    },
    stderr: () => service.stderr(),
    diedError: () => diedError(service.exit, service.stderr()),
    stop: async () => {
      await service.stop();
    },
  };
  ready.add(running);
  void service.exited.then(() => ready.delete(running));
  return running;
}

/** Java would tell when it is first asked for a transform, and of something else. */
function checkAllowlist(file: string): void {
  if (file === '*' || existsSync(file)) return;
  throw new BeamBridgeError('INVALID_ARGUMENT', `there is no allowlist at ${path.resolve(file)}`, {
    hint: "Give the path of a file in Beam's form, or leave it out: all classes may be made then.",
  });
}

/** What our class says in a line: that it is ready, or what it lacks. */
interface Announcement {
  readonly address?: string;
  readonly beam?: string;
  readonly missing?: string;
}

function announcementIn(line: string): Announcement | undefined {
  if (!/^\{"(ready|missing)"/.test(line)) return undefined;
  try {
    return JSON.parse(line) as Announcement;
  } catch {
    return undefined;
  }
}

/** Where classes are whose want shows first. */
const HOLDERS: readonly (readonly [prefix: string, what: string, hint: string])[] = [
  [
    'org.apache.beam.sdk.expansion.',
    "Beam's expansion service for Java",
    "Add the jar of one of Beam's expansion services, as org.apache.beam:beam-sdks-java-io-expansion-service:VERSION.",
  ],
  [
    'org.apache.beam.fn.harness.',
    "Java's harness",
    'Add beam-sdks-java-harness of the same release of Beam with all that it needs.',
  ],
  [
    'org.github.jamm.',
    "jamm, which Java's harness measures its caches with",
    "Add 'com.github.jbellis:jamm:0.4.0' to the jars.",
  ],
];

function withoutClass(missing: string, classPath: string): BeamBridgeError {
  const [, what = `the class ${missing}`, hint = 'Add the jar that holds it.'] =
    HOLDERS.find(([prefix]) => missing.startsWith(prefix)) ?? [];
  return new BeamBridgeError('ENGINE_NOT_FOUND', `the jars do not hold ${what}`, {
    hint,
    detail: `the class path is ${short(classPath)}`,
  });
}

function diedError(exit: ServiceExit | undefined, stderr: string): BeamBridgeError {
  const how = exit?.signal
    ? `was ended by ${exit.signal}`
    : `ended with status ${exit?.code ?? 'unknown'}`;
  return new BeamBridgeError('ENGINE_DIED', `Java's expansion service ${how}`, {
    hint: 'Run the pipeline again: a new one is started. Status 3 and signal 9 often mean that memory ran out: javaOptions sets how much Java may take.',
    detail: stderr || undefined,
  });
}

const JARS_HINT =
  'Name jars, folders with jars, or Maven coordinates with javaService({ jars: […] }); BEAMBRIDGE_MAVEN_REPOSITORY names another repository than Maven Central.';

/** What others wait for goes on without one who has left. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  const over = new AbortController();
  const aborted = new Promise<never>((_, reject) => {
    const leave = () =>
      reject(new BeamBridgeError('ABORTED', "the start of Java's service was cancelled"));
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave, { signal: over.signal });
  });
  aborted.catch(() => {});
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    over.abort();
  }
}
