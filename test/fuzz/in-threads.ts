// SPDX-License-Identifier: Apache-2.0
// Random pipelines as an exported one, which threads construct again. What is kept of them stays on the main
// thread, behind a step that begins a stage.

import type { Root } from '../../src/pipeline/index.ts';
import { pipeline } from '../../src/runners/index.ts';
import { build, type Outputs } from './build.ts';
import { planOf } from './plan.ts';
import type { Program } from './program.ts';

let latest: Outputs[] = [];

/** Its option `programs` is their JSON. */
export const inThreads = pipeline(import.meta.url, (root: Root, { programs }) => {
  const all = JSON.parse(String(programs)) as Program[];
  latest = all.map((one, index) => build(root, planOf(one), `p${index}`, new Map(), true));
});

/** What the pipelines keep that were constructed last. */
export function latestOutputs(): Outputs[] {
  return latest;
}
