// SPDX-License-Identifier: Apache-2.0
// npm run fuzz: random pipelines, for one round or for as long as one likes.
//   npm run fuzz -- --minutes=10 [--kind=batch,python,…] [--runner=node,encoded,threads,python,direct]
//   --patience=SECONDS: what takes longer hangs (60)
//   npm run fuzz -- --seed=N --path=P --kind=… --runner=…   shows one failure again

import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { setLogLevel } from '../../src/base/index.ts';
import { fuzz, KINDS, type Kind, toldOf } from './kinds.ts';
import { ORACLES, type OracleName, setPatience } from './run.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    path: { type: 'string' },
    minutes: { type: 'string' },
    patience: { type: 'string' },
    kind: { type: 'string' },
    runner: { type: 'string' },
    runs: { type: 'string' },
    // As it came, not made smaller: shrinking takes long where a run does.
    raw: { type: 'boolean' },
  },
});

setLogLevel('error');
setPatience(Number(values.patience ?? 60) * 1000);
const isNamed = (list: string | undefined, name: string) => !list || list.split(',').includes(name);
const pairs = KINDS.filter(({ name }) => isNamed(values.kind, name)).flatMap((kind) =>
  Object.keys(kind.runners)
    .filter((runner) => isNamed(values.runner, runner))
    .map((runner): [Kind, OracleName] => [kind, runner as OracleName]),
);
if (pairs.length === 0) {
  console.error(`fuzz: there is no such kind or runner; kinds: ${KINDS.map(({ name }) => name)}`);
  process.exit(2);
}

const began = Date.now();
const until = began + Number(values.minutes ?? 0) * 60_000;
let seed = Number(values.seed ?? randomInt(2 ** 31 - 1));
const counts = new Map<string, { pipelines: number; failures: number; seconds: number }>();
do {
  for (const [kind, runner] of pairs) {
    const start = Date.now();
    const runs = values.path ? 1 : Number(values.runs ?? 10);
    const details = await fuzz(kind, runner, {
      seed,
      runs,
      path: values.path,
      isAsItCame: values.raw ?? false,
    });
    const name = `${kind.name} on ${runner}`;
    const count = counts.get(name) ?? { pipelines: 0, failures: 0, seconds: 0 };
    counts.set(name, count);
    count.seconds += (Date.now() - start) / 1000;
    // About half of the most that share a run.
    count.pipelines += (details.numRuns * (kind.runners[runner] ?? 1)) / 2;
    if (!details.failed) continue;
    count.failures += 1;
    console.log(`\n-- ${name}\n${toldOf(kind, runner, details)}`);
    if (values.raw) await alone(kind, runner, details.counterexample?.[0] ?? []);
  }
  seed += 1;
} while (Date.now() < until);

/** Which of those that shared a run fails by itself. */
async function alone(kind: Kind, runner: OracleName, all: readonly unknown[]): Promise<void> {
  for (const one of all) {
    try {
      await kind.check([one as never], ORACLES[runner]);
    } catch (error) {
      console.log(`alone: ${JSON.stringify(one)}\n${(error as Error).message.slice(0, 1000)}`);
    }
  }
}

console.table(
  Object.fromEntries(
    [...counts].map(([name, { pipelines, failures, seconds }]) => [
      name,
      { pipelines, failures, 'per minute': Math.round((pipelines / seconds) * 60) },
    ]),
  ),
);
// Warm hosts would wait.
process.exit([...counts.values()].some(({ failures }) => failures > 0) ? 1 : 0);
