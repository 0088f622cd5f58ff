// SPDX-License-Identifier: Apache-2.0
// What the fuzzer can make and check: a kind of pipeline, and on which runners it goes.

import fc, { type Arbitrary, type RunDetails } from 'fast-check';
import { checkKeepings, keepings } from './keeping.ts';
import { programs } from './program.ts';
import { checkPrograms, ORACLES, type Oracle, type OracleName } from './run.ts';
import { checkSlips, slips } from './slips.ts';
import { checkSlows, slows } from './slow.ts';
import { checkStreams, streams } from './streams.ts';

export interface Kind {
  readonly name: string;
  /** Runners, each with how many pipelines share a run there: a run with Python takes a second. */
  readonly runners: Readonly<Partial<Record<OracleName, number>>>;
  readonly one: Arbitrary<unknown>;
  check(all: readonly never[], oracle: Oracle): Promise<void>;
}

export const KINDS: readonly Kind[] = [
  {
    name: 'batch',
    // Threads load the fuzzer anew for each run.
    runners: { node: 10, encoded: 10, threads: 30, python: 6, direct: 20 },
    one: programs(),
    check: checkPrograms,
  },
  {
    name: 'python',
    runners: { node: 8, encoded: 8, direct: 15 },
    one: programs({ python: true }),
    check: checkPrograms,
  },
  {
    name: 'files',
    runners: { node: 8, encoded: 8, python: 4, direct: 10 },
    one: programs({ files: true }),
    check: checkPrograms,
  },
  {
    name: 'streams',
    // A script's clock is its pipeline's: each has one of its own.
    runners: { node: 10, encoded: 10, python: 2 },
    one: streams,
    check: checkStreams,
  },
  {
    name: 'keeping',
    runners: { node: 10, encoded: 10, python: 2 },
    one: keepings,
    check: checkKeepings,
  },
  {
    name: 'slow',
    runners: { node: 10, encoded: 10, python: 4 },
    one: slows,
    check: checkSlows,
  },
  {
    name: 'slips',
    runners: { node: 10, encoded: 10, direct: 2 },
    one: slips,
    check: checkSlips,
  },
];

export interface Share {
  readonly seed: number;
  readonly runs: number;
  readonly path?: string | undefined;
  /** Whether what failed is given as it came, not made smaller. */
  readonly isAsItCame?: boolean;
}

/** Runs some pipelines of a kind on a runner; `runs` counts those that are run together. */
export function fuzz(
  kind: Kind,
  runner: OracleName,
  { seed, runs, path, isAsItCame = false }: Share,
) {
  const many = kind.runners[runner] ?? 1;
  const all = fc.array(kind.one, { minLength: 1, maxLength: many, size: 'max' });
  return fc.check(
    fc.asyncProperty(all, (given) => kind.check(given as never[], ORACLES[runner])),
    {
      seed,
      numRuns: runs,
      ...(path === undefined ? {} : { path }),
      endOnFailure: isAsItCame,
      interruptAfterTimeLimit: 300_000,
    },
  );
}

/** What failed, how to see it again, and the smallest pipelines that do. */
export function toldOf(kind: Kind, runner: OracleName, details: RunDetails<[unknown[]]>): string {
  const message = (details.errorInstance as Error | null)?.message ?? 'interrupted';
  const again = `npm run fuzz -- --kind=${kind.name} --runner=${runner} --seed=${details.seed} --path=${details.counterexamplePath}`;
  return [message.slice(0, 3000), JSON.stringify(details.counterexample?.[0]), again].join('\n');
}
