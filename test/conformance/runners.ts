// SPDX-License-Identifier: Apache-2.0
// Every runner configuration that the conformance suite runs on. A new runner adds a line here.

import type { Root } from '../../src/pipeline/index.ts';
import { createRunner, type Runner } from '../../src/runners/index.ts';
import { pythonStreams } from './cases/python-windowing.ts';
import { testStreams } from './cases/test-streams.ts';
import { engines } from './engines.ts';

/** A configuration under its name. */
export interface RunnerConfiguration {
  readonly name: string;
  createPipelineRunner(): Runner;
  /** Whether values that stay in this process are encoded all the same. */
  readonly encodes: boolean;
  /** Whether cases that can do with it share a pipeline: runs take long there. */
  readonly together: boolean;
  /** The same of cases whose DoFns are written in Python. */
  readonly pythonTogether: boolean;
  /** Whether the cases in Python run there. */
  readonly runsPython: boolean;
  /** Changes what a case constructed. */
  readonly prepare?: (root: Root) => unknown;
  /** Names of cases that must fail there because a feature is missing, with the reason. */
  readonly unsupported: Readonly<Record<string, string>>;
  /** Names of cases that an engine of somebody else is known to get wrong, with what it does. */
  readonly differs?: Readonly<Record<string, string>>;
}

import { crossIntoPython } from './python-between.ts';

const NO_TEST_STREAM = 'it has no clock and no watermark to play a script with';

const withoutClock = Object.fromEntries(
  [...testStreams, ...pythonStreams].map(({ name }) => [name, NO_TEST_STREAM]),
);

export const configurations: readonly RunnerConfiguration[] = [
  {
    name: 'node',
    createPipelineRunner: () => createRunner({ runner: 'node', progress: false }),
    encodes: false,
    together: false,
    pythonTogether: true,
    runsPython: true,
    unsupported: {},
  },
  {
    name: 'node, every value encoded',
    createPipelineRunner: () =>
      createRunner({ runner: 'node', progress: false, forceEncoding: true }),
    encodes: true,
    together: false,
    pythonTogether: true,
    runsPython: false,
    unsupported: {},
  },
  {
    name: 'node, with Python stages',
    createPipelineRunner: () => createRunner({ runner: 'node', progress: false }),
    encodes: true,
    together: true,
    pythonTogether: true,
    runsPython: false,
    prepare: crossIntoPython,
    unsupported: {},
  },
  {
    name: 'direct',
    createPipelineRunner: () => createRunner({ runner: 'direct', progress: false }),
    encodes: true,
    together: true,
    pythonTogether: true,
    runsPython: true,
    unsupported: withoutClock,
  },
];

/**
 * What the suite runs on: the configurations, the engine that `CONFORMANCE_RUNNER` names, or a job service
 * of one's own at `CONFORMANCE_JOB_ENDPOINT`. The latter is to see what it can do.
 */
export function configurationsToRun(): readonly RunnerConfiguration[] {
  const engine = engines.find(({ name }) => name === process.env.CONFORMANCE_RUNNER);
  if (engine) return [engine];
  const jobEndpoint = process.env.CONFORMANCE_JOB_ENDPOINT;
  if (!jobEndpoint) return configurations;
  return [
    {
      name: `portable, at ${jobEndpoint}`,
      createPipelineRunner: () =>
        createRunner({ runner: 'portable', jobEndpoint, progress: false }),
      encodes: true,
      // One case that its service fails must not take others along.
      together: false,
      pythonTogether: false,
      runsPython: true,
      unsupported: withoutClock,
    },
  ];
}
