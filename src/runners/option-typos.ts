// SPDX-License-Identifier: Apache-2.0
// Options that this package does not know go to the runner, so a misspelt one would go unnoticed; so would a
// value of another type, which JavaScript lets through.

import { BeamBridgeError, isNear } from '../base/index.ts';
import type { PipelineOptions } from './options.ts';

/** Options of engines that are not declared, and are read, or set where they are not given. */
type OfEngines =
  | 'appName'
  | 'streaming'
  | 'shutdownSourcesAfterIdleMs'
  | 'finishBundleBeforeCheckpointing';

/** Every option that {@link PipelineOptions} declares. */
type Declared = keyof {
  [Name in keyof PipelineOptions as string extends Name ? never : Name]: true;
};

/**
 * The options that this package reads, whether they steer this program alone and mean nothing to anybody else. The
 * compiler refuses a list that lacks one that is declared.
 */
const KNOWN: Readonly<Record<Declared | OfEngines, 'ours' | 'passed on'>> = {
  runner: 'ours',
  signal: 'ours',
  handleSignals: 'ours',
  progress: 'ours',
  python: 'ours',
  forceEncoding: 'ours',
  pythonWorkers: 'ours',
  nodeWorkers: 'ours',
  workerStartTimeoutMs: 'ours',
  prismBinary: 'ours',
  prismVersion: 'ours',
  flinkMaster: 'ours',
  flinkJobServer: 'ours',
  flinkVersion: 'ours',
  flinkBeamVersion: 'ours',
  flinkJavaOptions: 'ours',
  flinkArtifacts: 'ours',
  flinkSavepoints: 'ours',
  sparkMaster: 'ours',
  sparkJobServer: 'ours',
  sparkBeamVersion: 'ours',
  sparkJavaOptions: 'ours',
  environmentType: 'ours',
  environmentConfig: 'ours',
  pythonEnvironmentType: 'ours',
  pythonEnvironmentConfig: 'ours',
  workerProgram: 'ours',
  jobEndpoint: 'passed on',
  expansionService: 'passed on',
  jobName: 'passed on',
  parallelism: 'passed on',
  checkpointingInterval: 'passed on',
  savepointPath: 'passed on',
  project: 'passed on',
  region: 'passed on',
  tempLocation: 'passed on',
  stagingLocation: 'passed on',
  appName: 'passed on',
  streaming: 'passed on',
  shutdownSourcesAfterIdleMs: 'passed on',
  finishBundleBeforeCheckpointing: 'passed on',
};

const NAMES = Object.keys(KNOWN) as (keyof typeof KNOWN)[];

/** These steer this program and mean nothing to anybody else. */
export const OURS: readonly string[] = NAMES.filter((name) => KNOWN[name] === 'ours');

/** Whole numbers, and the least that each may be: Beam takes -1 for what the engine is configured to. */
const WHOLE = { parallelism: -1, checkpointingInterval: -1, nodeWorkers: 0 } as const;

const SWITCHES = ['handleSignals', 'progress', 'forceEncoding'] as const;

/**
 * Refuses names that are nearly those of options of this package, all others being another's, and values that
 * would fail later, or be taken for `true`.
 */
export function refuseTypos(options: PipelineOptions): void {
  refuseOtherTypes(options);
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(KNOWN, name)) continue;
    const nearest = NAMES.find((known) => isNear(name, known));
    if (nearest === undefined) continue;
    throw new BeamBridgeError('INVALID_ARGUMENT', `there is no option ${JSON.stringify(name)}`, {
      hint: `Did you mean ${nearest}?`,
    });
  }
}

function refuseOtherTypes(options: PipelineOptions): void {
  for (const name of SWITCHES) {
    const value: unknown = options[name] ?? false;
    if (typeof value === 'boolean') continue;
    const shown = typeof value === 'string' ? JSON.stringify(value) : String(value);
    throw new BeamBridgeError('INVALID_ARGUMENT', `${name} is true or false, and not ${shown}`);
  }
  for (const [name, least] of Object.entries(WHOLE)) {
    const value = options[name];
    if (value === undefined || value === null) continue;
    if (Number.isSafeInteger(value) && Number(value) >= least) continue;
    const shown = typeof value === 'string' ? JSON.stringify(value) : String(value);
    throw new BeamBridgeError('INVALID_ARGUMENT', `${name} is ${shown}`, {
      hint: `Give a whole number from ${least} on.`,
    });
  }
  const python: unknown = options.python ?? '';
  if (typeof python !== 'string') {
    throw new BeamBridgeError('INVALID_ARGUMENT', `python is ${String(python)}`, {
      hint: 'Give the path of a Python executable, or leave it out to have an environment built.',
    });
  }
  const signal: Partial<AbortSignal> | null | undefined = options.signal;
  if (signal === undefined || signal === null) return;
  if (typeof signal.addEventListener === 'function' && typeof signal.aborted === 'boolean') return;
  throw new BeamBridgeError('INVALID_ARGUMENT', 'signal is no AbortSignal', {
    hint: 'Give the signal of an AbortController, or AbortSignal.timeout(ms).',
  });
}
