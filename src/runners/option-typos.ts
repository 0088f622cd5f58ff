// SPDX-License-Identifier: Apache-2.0
// Options that this package does not know go to the runner, so a misspelt one would go unnoticed.

import { BeamBridgeError, isNear } from '../base/index.ts';

/** These steer this program and mean nothing to anybody else. */
export const OURS: readonly string[] = [
  'runner',
  'signal',
  'handleSignals',
  'progress',
  'python',
  'forceEncoding',
  'pythonWorkers',
  'workerStartTimeoutMs',
  'prismBinary',
  'prismVersion',
  'flinkMaster',
  'flinkJobServer',
  'flinkVersion',
  'flinkBeamVersion',
  'flinkJavaOptions',
  'flinkArtifacts',
  'flinkSavepoints',
  'sparkMaster',
  'sparkJobServer',
  'sparkBeamVersion',
  'sparkJavaOptions',
  'environmentType',
  'environmentConfig',
  'pythonEnvironmentType',
  'pythonEnvironmentConfig',
  'workerProgram',
];

const KNOWN = [
  ...OURS,
  'jobEndpoint',
  'expansionService',
  'jobName',
  'parallelism',
  'checkpointingInterval',
  'savepointPath',
];

/** Refuses names that are nearly those of options of this package; all others are another's. */
export function refuseTypos(options: object): void {
  for (const name of Object.keys(options)) {
    if (KNOWN.includes(name)) continue;
    const nearest = KNOWN.find((known) => isNear(name, known));
    if (nearest === undefined) continue;
    throw new BeamBridgeError('INVALID_ARGUMENT', `there is no option ${JSON.stringify(name)}`, {
      hint: `Did you mean ${nearest}?`,
    });
  }
}
