// SPDX-License-Identifier: Apache-2.0
// The managed Python environment: found when it is there and whole, built when not. A virtual
// environment cannot be moved, so it is built where it will stay, and counts only once its marker,
// written last, is there.

import { createHash } from 'node:crypto';
import {
  access,
  constants,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import { BeamBridgeError, getLogger } from '../../base/index.ts';
import { runTool } from '../process/run-tool.ts';
import { cacheFolder, folderError, makeFolder } from './cache.ts';
import { useGivenPython } from './given.ts';
import { findInstaller, type InstallContext, pythonIn } from './install.ts';
import { findInterpreter, type Interpreter } from './interpreter.ts';
import { largerEnvironments } from './larger.ts';
import { acquireLock } from './lock.ts';
import { collectRequirements, constraintsOf, type Requirements } from './requirements.ts';

const MARKER = 'beambridge.json';
const CONSTRAINTS = 'constraints.txt';
const CHECK_TIMEOUT_MS = 60_000;

const log = getLogger('python-env');

/** A Python that has everything a host needs. */
export interface PythonEnvironment {
  /** Path of its executable. */
  python: string;
  /** Names its content: equal keys, equal packages. */
  key: string;
  /** For example `3.11.7`. */
  version: string;
  /** False for the Python that `BEAMBRIDGE_PYTHON` names. */
  managed: boolean;
}

/** A step of {@link ensurePythonEnvironment}. */
export interface EnvironmentProgress {
  phase: 'waiting' | 'building' | 'installing' | 'ready';
  /** One line for a person. */
  message: string;
}

/** What an environment must have. */
export interface EnvironmentOptions {
  /** Pinned sets of packages: `sklearn`, `torch`, … @default none */
  extras?: readonly string[];
  /** More packages as pip takes them: `name==1.2`, `./local.whl`. @default none */
  packages?: readonly string[];
  /** @default a line on standard error when something has to be built */
  onProgress?: (progress: EnvironmentProgress) => void;
  /** Also start its Python and import Beam, and build it anew when that fails. @default false */
  verify?: boolean;
  /** Folder of the pinned requirements. @default that of this package */
  requirementsFolder?: string;
  signal?: AbortSignal | undefined;
}

/**
 * A Python environment with the given extras and packages, built if need be (once, about a minute).
 * One that has more pinned extras than asked for will do, if it is there.
 * Programs that need the same one at the same time build it once; one that is broken is built anew;
 * a build that fails leaves nothing behind that looks whole.
 *
 * @example
 * ```ts
 * const { python } = await ensurePythonEnvironment({ extras: ['sklearn'], packages: ['tqdm==4.67.1'] });
 * ```
 *
 * @throws BeamBridgeError `PYTHON_NOT_FOUND`, `PYTHON_TOO_OLD`, `ENVIRONMENT_OFFLINE`,
 * `PACKAGE_NOT_INSTALLABLE`, `ENVIRONMENT_BUILD_FAILED`, `INVALID_ARGUMENT`, `ABORTED`
 */
export async function ensurePythonEnvironment(
  options: EnvironmentOptions = {},
): Promise<PythonEnvironment> {
  const { extras = [], packages = [], signal } = options;
  const requirements = await collectRequirements(extras, packages, options.requirementsFolder);
  const given = process.env.BEAMBRIDGE_PYTHON;
  if (given) return useGivenPython(given, requirements, signal);

  const remembered = await recall(requirements);
  if (remembered && (await isWhole(remembered, options.verify, signal))) return remembered;

  const interpreter = await findInterpreter(signal);
  const { version } = interpreter;
  const environments = path.join(cacheFolder(), 'envs');
  const keyOf = ({ digest }: Requirements) =>
    createHash('sha256').update(`${version}\0${digest}`).digest('hex').slice(0, 20);
  const withKey = (key: string): PythonEnvironment => ({
    python: pythonIn(path.join(environments, key)),
    key,
    version,
    managed: true,
  });
  const larger = async () => {
    const folder = { folder: environments, marker: MARKER, pins: options.requirementsFolder };
    return (await largerEnvironments(requirements, folder, keyOf)).map(withKey);
  };
  const exact = withKey(keyOf(requirements));
  const choice =
    (await firstWhole([exact], options)) ?? (await firstWhole(await larger(), options));
  if (!choice) await buildOnce(exact, interpreter, requirements, options);
  await remember(requirements, choice ?? exact);
  return choice ?? exact;
}

async function firstWhole(
  environments: readonly PythonEnvironment[],
  { verify, signal }: EnvironmentOptions,
): Promise<PythonEnvironment | undefined> {
  for (const environment of environments) {
    if (await isWhole(environment, verify, signal)) return environment;
  }
  return undefined;
}

async function buildOnce(
  environment: PythonEnvironment,
  interpreter: Interpreter,
  requirements: Requirements,
  { signal, verify, onProgress = printProgress }: EnvironmentOptions,
): Promise<void> {
  const folder = folderOf(environment);
  await makeFolder(path.dirname(folder));
  await using _lock = await acquireLock(`${folder}.lock`, {
    signal,
    onWait: (pid) =>
      onProgress({
        phase: 'waiting',
        message: `waiting for process ${pid}, which builds the Python environment…`,
      }),
  });
  // Whoever held the lock may just have built it.
  if (await isWhole(environment, verify, signal)) return;
  onProgress({
    phase: 'building',
    message: 'building the Python environment (once, about a minute)…',
  });
  const started = performance.now();
  try {
    await build(environment, interpreter, requirements, onProgress, signal);
  } catch (error) {
    await rm(folder, { recursive: true, force: true }).catch(() => {});
    throw error instanceof BeamBridgeError ? error : folderError(error, folder);
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  onProgress({ phase: 'ready', message: `the Python environment is ready (${seconds} s)` });
}

async function build(
  environment: PythonEnvironment,
  interpreter: Interpreter,
  requirements: Requirements,
  onProgress: (progress: EnvironmentProgress) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const folder = folderOf(environment);
  const installer = await findInstaller(signal);
  const context: InstallContext = {
    folder,
    interpreter,
    signal,
    onLine: (line) => {
      log.debug(line);
      const step =
        /^\s*(Collecting|Downloading|Building|Preparing|Prepared|Installing|Installed|Resolved)\b.*/.exec(
          line,
        );
      if (step) onProgress({ phase: 'installing', message: step[0].trim() });
    },
  };
  await rm(folder, { recursive: true, force: true });
  await installer.create(context);
  const constraints = path.join(folder, CONSTRAINTS);
  await writeFile(constraints, constraintsOf(requirements.texts));
  const { files, packages } = requirements;
  if (packages.length > 0) await installer.checkPackages(context, packages, constraints);
  await installer.installPinned(context, files);
  if (packages.length > 0) await installer.installPackages(context, packages, constraints);
  await checkImports(environment, signal);
  const marker = path.join(folder, MARKER);
  const { key, version } = environment;
  const { extras } = requirements;
  const text = JSON.stringify(
    { key, version, extras, packages, installer: installer.name },
    null,
    2,
  );
  await writeFile(`${marker}.partial`, text);
  await rename(`${marker}.partial`, marker);
}

async function checkImports(
  environment: PythonEnvironment,
  signal: AbortSignal | undefined,
): Promise<void> {
  const result = await importBeam(environment, signal);
  if (result.ok) return;
  throw new BeamBridgeError(
    'ENVIRONMENT_BUILD_FAILED',
    'the Python environment was built, but does not work',
    {
      hint: 'Run `beambridge env clean` and try again, perhaps with another Python in BEAMBRIDGE_BASE_PYTHON.',
      detail: result.output,
    },
  );
}

function importBeam(environment: PythonEnvironment, signal: AbortSignal | undefined) {
  const code = 'import importlib.metadata as m; m.version("apache-beam"); import apache_beam, grpc';
  return runTool(environment.python, ['-c', code], {
    env: { PYTHONPATH: undefined, PYTHONHOME: undefined },
    timeout: CHECK_TIMEOUT_MS,
    signal,
  });
}

/** Cheap, because every run asks: no process is started unless `verify` is set. */
async function isWhole(
  environment: PythonEnvironment,
  verify = false,
  signal?: AbortSignal,
): Promise<boolean> {
  const folder = folderOf(environment);
  try {
    await access(path.join(folder, MARKER));
    // Fails when the Python that the environment was made from is gone, too.
    await access(environment.python, constants.X_OK);
    const libraries = path.join(folder, 'lib');
    const [version] = (await readdir(libraries)).filter((name) => name.startsWith('python'));
    const packages = path.join(libraries, version ?? '', 'site-packages');
    await access(path.join(packages, 'apache_beam', '__init__.py'));
    const installed = await readdir(packages);
    if (!installed.some((name) => /^apache_beam-.*\.dist-info$/.test(name))) return false;
  } catch {
    return false;
  }
  return !verify || (await importBeam(environment, signal)).ok;
}

function folderOf(environment: PythonEnvironment): string {
  return path.dirname(path.dirname(environment.python));
}

function printProgress({ phase, message }: EnvironmentProgress): void {
  if (phase === 'installing') return;
  process.stderr.write(`beambridge: ${message}\n`);
}

// Finding a Python takes up to a few hundred milliseconds (version managers put scripts in its
// place), so what a request led to is remembered for the next run.

function memoryFile(requirements: Requirements): string {
  const { PATH, BEAMBRIDGE_BASE_PYTHON } = process.env;
  const request = createHash('sha256')
    .update(JSON.stringify([requirements.digest, PATH, BEAMBRIDGE_BASE_PYTHON]))
    .digest('hex')
    .slice(0, 20);
  return path.join(cacheFolder(), 'requests', `${request}.json`);
}

async function recall(requirements: Requirements): Promise<PythonEnvironment | undefined> {
  try {
    const saved = JSON.parse(await readFile(memoryFile(requirements), 'utf8')) as PythonEnvironment;
    return typeof saved.python === 'string' && typeof saved.key === 'string' ? saved : undefined;
  } catch {
    return undefined;
  }
}

async function remember(requirements: Requirements, environment: PythonEnvironment): Promise<void> {
  const file = memoryFile(requirements);
  try {
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    await writeFile(`${file}.${process.pid}`, JSON.stringify(environment));
    await rename(`${file}.${process.pid}`, file);
  } catch (error) {
    log.debug(`could not remember the environment: ${String(error)}`);
  }
}

/** Removes every environment that this program's cache folder holds. */
export async function cleanPythonEnvironments(): Promise<void> {
  await rm(path.join(cacheFolder(), 'envs'), { recursive: true, force: true });
  await rm(path.join(cacheFolder(), 'requests'), { recursive: true, force: true });
}
