// SPDX-License-Identifier: Apache-2.0
// Every runner configuration that the conformance suite runs on. A new runner adds a line here.

import { createRunner, type Runner } from '../../src/runners/index.ts';

/** A configuration under its name. */
export interface RunnerConfiguration {
  readonly name: string;
  createPipelineRunner(): Runner;
  /** Whether values that stay in this process are encoded all the same. */
  readonly encodes: boolean;
  /** Names of cases that must fail there because a feature is missing, with the reason. */
  readonly unsupported: Readonly<Record<string, string>>;
}

export const configurations: readonly RunnerConfiguration[] = [
  {
    name: 'node',
    createPipelineRunner: () => createRunner({ runner: 'node', progress: false }),
    encodes: false,
    unsupported: {},
  },
  {
    name: 'node, every value encoded',
    createPipelineRunner: () =>
      createRunner({ runner: 'node', progress: false, forceEncoding: true }),
    encodes: true,
    unsupported: {},
  },
  {
    name: 'direct',
    createPipelineRunner: () => createRunner({ runner: 'direct', progress: false }),
    encodes: true,
    unsupported: {},
  },
];
