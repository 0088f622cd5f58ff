// SPDX-License-Identifier: Apache-2.0
// The states of a job, by the names that Beam gives them.

import { jobs } from '../proto/index.ts';

/** State of a job, as Beam's job API names it. */
export type JobState = Exclude<keyof typeof jobs.JobState_Enum, 'UNSPECIFIED'>;

const TERMINAL: ReadonlySet<JobState> = new Set<JobState>([
  'DONE',
  'FAILED',
  'CANCELLED',
  'UPDATED',
  'DRAINED',
]);

/** Whether a job in this state has ended. */
export function isTerminal(state: JobState): boolean {
  return TERMINAL.has(state);
}

/** The name of a state in a message; undefined for one that says nothing. */
export function stateFromProto(state: jobs.JobState_Enum): JobState | undefined {
  const name = jobs.JobState_Enum[state] as keyof typeof jobs.JobState_Enum | undefined;
  return name === undefined || name === 'UNSPECIFIED' ? undefined : name;
}
