// SPDX-License-Identifier: Apache-2.0
// Every runner configuration that the conformance suite runs on. A new runner adds a line here.

import type { Root } from '../../src/pipeline/index.ts';
import { createRunner, type Runner } from '../../src/runners/index.ts';
import { pythonStreams } from './cases/python-windowing.ts';
import { testStreams } from './cases/test-streams.ts';

/** A configuration under its name. */
export interface RunnerConfiguration {
  readonly name: string;
  createPipelineRunner(): Runner;
  /** Whether values that stay in this process are encoded all the same. */
  readonly encodes: boolean;
  /** Whether cases that can do with it share a pipeline: runs take long there. */
  readonly together: boolean;
  /** Whether the cases in Python run there. */
  readonly runsPython: boolean;
  /** Changes what a case constructed. */
  readonly prepare?: (root: Root) => unknown;
  /** Names of cases that must fail there because a feature is missing, with the reason. */
  readonly unsupported: Readonly<Record<string, string>>;
}

import { crossIntoPython } from './python-between.ts';

const NO_TEST_STREAM = 'it has no clock and no watermark to play a script with';

export const configurations: readonly RunnerConfiguration[] = [
  {
    name: 'node',
    createPipelineRunner: () => createRunner({ runner: 'node', progress: false }),
    encodes: false,
    together: false,
    runsPython: true,
    unsupported: {},
  },
  {
    name: 'node, every value encoded',
    createPipelineRunner: () =>
      createRunner({ runner: 'node', progress: false, forceEncoding: true }),
    encodes: true,
    together: false,
    runsPython: false,
    unsupported: {},
  },
  {
    name: 'node, with Python stages',
    createPipelineRunner: () => createRunner({ runner: 'node', progress: false }),
    encodes: true,
    together: true,
    runsPython: false,
    prepare: crossIntoPython,
    unsupported: {},
  },
  {
    name: 'direct',
    createPipelineRunner: () => createRunner({ runner: 'direct', progress: false }),
    encodes: true,
    together: true,
    runsPython: true,
    unsupported: Object.fromEntries(
      [...testStreams, ...pythonStreams].map(({ name }) => [name, NO_TEST_STREAM]),
    ),
  },
];
