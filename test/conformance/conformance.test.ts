// SPDX-License-Identifier: Apache-2.0
// One suite for every runner: the same pipelines must give the same elements everywhere.

import { describe } from 'node:test';
import { groups, pythonGroups } from './groups.ts';
import { testGroup } from './run-case.ts';
import { configurations } from './runners.ts';

for (const configuration of configurations) {
  describe(`on ${configuration.name}`, () => {
    for (const [group, cases] of Object.entries(groups)) testGroup(group, cases, configuration);
    if (!configuration.runsPython) return;
    const python = { ...configuration, together: true };
    for (const [group, cases] of Object.entries(pythonGroups)) testGroup(group, cases, python);
  });
}
