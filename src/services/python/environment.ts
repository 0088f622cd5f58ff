// SPDX-License-Identifier: Apache-2.0
// The managed Python environment: found when it is there and whole, built when not.

import { createHash } from 'node:crypto';
import path from 'node:path';
import { buildOnce } from './build.ts';
import { useGivenPython } from './given.ts';
import { pythonIn } from './install.ts';
import { findInterpreter } from './interpreter.ts';
import { environmentsFolder, noteUse } from './inventory.ts';
import { largerEnvironments } from './larger.ts';
import { recall, remember } from './remember.ts';
import { collectRequirements, type Requirements } from './requirements.ts';
import { isWhole, MARKER } from './whole.ts';

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
  /** Whether one that has more pinned extras does not do. @default false */
  isExact?: boolean;
  /** @default a line on standard error when something has to be built */
  onProgress?: (progress: EnvironmentProgress) => void;
  /** Also start its Python and import Beam, and build it anew when that fails. @default false */
  verify?: boolean;
  /** Called before one is built, which takes minutes: what it rejects with ends that. */
  beforeBuild?: (() => Promise<void>) | undefined;
  /** Folder of the pinned requirements. @default that of this package */
  requirementsFolder?: string;
  signal?: AbortSignal | undefined;
}

/**
 * A Python environment with the given extras and packages, built if need be (once, about a minute).
 * One that has more pinned extras than asked for will do, if it is there and `isExact` is not set.
 * Programs that need the same one at the same time build it once; one that is broken is built anew;
 * a build that fails leaves nothing behind that looks whole.
 *
 * @example
 * ```ts
 * const { python } = await ensurePythonEnvironment({ extras: ['sklearn'], packages: ['tqdm==4.67.1'] });
 * ```
 *
 * @throws BeamBridgeError `PYTHON_NOT_FOUND`, `PYTHON_TOO_OLD`, `ENVIRONMENT_OFFLINE`,
 * `PACKAGE_NOT_INSTALLABLE`, `ENVIRONMENT_BUILD_FAILED`, `INVALID_ARGUMENT`, `UNSUPPORTED`, `ABORTED`
 */
export async function ensurePythonEnvironment(
  options: EnvironmentOptions = {},
): Promise<PythonEnvironment> {
  const { extras = [], packages = [], signal } = options;
  const requirements = await collectRequirements(extras, packages, options.requirementsFolder);
  const given = process.env.BEAMBRIDGE_PYTHON;
  if (given) return useGivenPython(given, requirements, { signal });

  const { isExact = false } = options;
  const remembered = await recall(requirements, isExact);
  if (remembered) {
    // First, so that whoever removes environments sees it, or we see that it is gone.
    await noteUse(remembered);
    if (await isWhole(remembered, options.verify, signal)) return remembered;
  }

  const interpreter = await findInterpreter(signal);
  const { version } = interpreter;
  const environments = environmentsFolder();
  const keyOf = ({ digest }: Requirements) =>
    createHash('sha256').update(`${version}\0${digest}`).digest('hex').slice(0, 20);
  const withKey = (key: string): PythonEnvironment => ({
    python: pythonIn(path.join(environments, key)),
    key,
    version,
    managed: true,
  });
  const larger = async () => {
    if (isExact) return [];
    const folder = { folder: environments, marker: MARKER, pins: options.requirementsFolder };
    return (await largerEnvironments(requirements, folder, keyOf)).map(withKey);
  };
  const exact = withKey(keyOf(requirements));
  const choice =
    (await firstWhole([exact], options)) ?? (await firstWhole(await larger(), options));
  if (!choice) {
    const { onProgress = printProgress, verify } = options;
    await options.beforeBuild?.();
    await buildOnce({ environment: exact, interpreter, requirements, onProgress, verify, signal });
  }
  const found = choice ?? exact;
  await noteUse(found);
  await remember(requirements, isExact, found);
  return found;
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

function printProgress({ phase, message }: EnvironmentProgress): void {
  if (phase === 'installing') return;
  process.stderr.write(`beambridge: ${message}\n`);
}
