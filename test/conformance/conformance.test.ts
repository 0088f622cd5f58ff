// SPDX-License-Identifier: Apache-2.0
// One suite for every runner: the same pipelines must give the same elements everywhere.

import { describe } from 'node:test';
import { groups, pythonGroups } from './groups.ts';
import { testGroup } from './run-case.ts';
import { configurationsToRun } from './runners.ts';

for (const configuration of configurationsToRun()) {
  describe(`on ${configuration.name}`, () => {
    for (const [group, cases] of Object.entries(groups)) testGroup(group, cases, configuration);
    if (!configuration.runsPython) return;
    const python = { ...configuration, together: configuration.pythonTogether };
    for (const [group, cases] of Object.entries(pythonGroups)) testGroup(group, cases, python);
  });
}
