// SPDX-License-Identifier: Apache-2.0
// Cases of the suite as an exported pipeline, which threads construct again.

import { pipeline } from '../../src/runners/index.ts';
import { groups } from './groups.ts';

/** Its option `group` names a group, and `cases` those of its cases that it has. */
export const inThreads = pipeline(import.meta.url, async (root, { group, cases }) => {
  for (const one of groups[String(group)]!) {
    if ((cases as string[]).includes(one.name)) await one.build(root);
  }
});
