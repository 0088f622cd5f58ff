// SPDX-License-Identifier: Apache-2.0
// From the name of a runner to the runner.

import { BeamBridgeError, isNear } from '../base/index.ts';
import { DataflowRunner } from './dataflow/runner.ts';
import { DirectRunner } from './direct/runner.ts';
import { FlinkRunner } from './flink/runner.ts';
import { NodeRunner } from './node/runner.ts';
import type { PipelineOptions } from './options.ts';
import { PortableRunner } from './portable/runner.ts';
import { PrismRunner } from './prism/runner.ts';
import type { Runner } from './runner-base.ts';
import { SparkRunner } from './spark/runner.ts';

type RunnerClass = new (options: PipelineOptions) => Runner;

const RUNNERS = new Map<unknown, RunnerClass>([
  ['direct', DirectRunner],
  ['portable', PortableRunner],
  ['node', NodeRunner],
  ['prism', PrismRunner],
  ['flink', FlinkRunner],
  ['spark', SparkRunner],
  ['dataflow', DataflowRunner],
]);
/** Names of the official SDK. */
const ALIASES = new Map<unknown, RunnerClass>([
  ['default', NodeRunner],
  ['universal', DirectRunner],
]);

/**
 * Makes a runner.
 *
 * @param options - options of every run: `runner` names the engine (else it is `node`, or `portable`
 *   where there is a `jobEndpoint`), unknown ones go to it, but for
 *   those that are nearly one of this package's, which are `INVALID_ARGUMENT`
 * @throws BeamBridgeError `INVALID_ARGUMENT` for a name that is none, and for the option of an engine, such as
 *   `flinkMaster`, where no runner is named
 * @example
 * ```ts
 * const local = createRunner();
 * const reference = createRunner({ runner: 'direct' });
 * const remote = createRunner({ runner: 'portable', jobEndpoint: 'localhost:8099' });
 * ```
 */
export function createRunner(options: PipelineOptions = {}): Runner {
  if (typeof options === 'string') {
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `createRunner was given ${JSON.stringify(options)}`,
      {
        hint: `Name the runner in options: createRunner({ runner: ${JSON.stringify(options)} }).`,
      },
    );
  }
  if ((options.runner ?? undefined) === undefined && !options.jobEndpoint)
    refuseOtherEngines(options);
  const name = options.runner ?? (options.jobEndpoint ? 'portable' : 'node');
  const found = RUNNERS.get(name) ?? ALIASES.get(name);
  if (found) return new found(options);
  const known = [...RUNNERS.keys(), ...ALIASES.keys()].map(String);
  const near = known.find((one) => isNear(String(name), one));
  const guess = near === undefined ? '' : `Did you mean ${near}? `;
  throw new BeamBridgeError('INVALID_ARGUMENT', `there is no runner ${JSON.stringify(name)}`, {
    hint: `${guess}The runners are ${[...RUNNERS.keys()].join(', ')}; default is node and universal is direct, as in the official SDK.`,
  });
}

/** Whoever says which Flink, and not that it is to be Flink, would not see that the job ran here. */
const NAMES_AN_ENGINE = {
  flinkMaster: 'flink',
  flinkJobServer: 'flink',
  sparkMaster: 'spark',
  sparkJobServer: 'spark',
  prismBinary: 'prism',
} as const;

function refuseOtherEngines(options: PipelineOptions): void {
  for (const [name, engine] of Object.entries(NAMES_AN_ENGINE)) {
    if ((options[name] ?? undefined) === undefined) continue;
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `${name} is an option of the runner ${engine}, and no runner is named`,
      { hint: `Add runner: '${engine}', or runner: 'node' to run in this process all the same.` },
    );
  }
}
