// SPDX-License-Identifier: Apache-2.0
// Options that this package does not know go to the runner, so a misspelt one would go unnoticed.

import { BeamBridgeError } from '../base/index.ts';

const KNOWN = [
  'runner',
  'jobEndpoint',
  'expansionService',
  'jobName',
  'python',
  'signal',
  'handleSignals',
  'progress',
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
  'parallelism',
  'checkpointingInterval',
  'environmentType',
  'environmentConfig',
  'pythonEnvironmentType',
  'pythonEnvironmentConfig',
  'workerProgram',
];

/** Refuses names that are nearly those of options of this package; all others are another's. */
export function refuseTypos(options: object): void {
  for (const name of Object.keys(options)) {
    if (KNOWN.includes(name)) continue;
    const nearest = KNOWN.find((known) => isNear(plain(name), plain(known)));
    if (nearest === undefined) continue;
    throw new BeamBridgeError('INVALID_ARGUMENT', `there is no option ${JSON.stringify(name)}`, {
      hint: `Did you mean ${nearest}?`,
    });
  }
}

const plain = (name: string) => name.replaceAll(/[-_]/g, '').toLowerCase();

/** Whether one letter was left out, added, replaced, or swapped with its neighbour. */
function isNear(a: string, b: string): boolean {
  let start = 0;
  while (start < a.length && a[start] === b[start]) start++;
  const [restA, restB] = [a.slice(start), b.slice(start)];
  return (
    restA === restB ||
    restA.slice(1) === restB ||
    restA === restB.slice(1) ||
    restA.slice(1) === restB.slice(1) ||
    (restA[0] === restB[1] && restA[1] === restB[0] && restA.slice(2) === restB.slice(2))
  );
}
