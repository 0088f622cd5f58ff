// SPDX-License-Identifier: Apache-2.0
// The engines of this machine, as flags of an example: what is not there is left out with a word.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { FlinkCluster, type Size } from '../../scripts/engines/flink-cluster.ts';
import { FLINK_RELEASE } from '../../scripts/engines/flink-distribution.ts';
import { flinkHere, prismHere } from '../../test/helpers/engines.ts';
import { rowsPerTask } from './flink-tasks.ts';
import { root } from './program.ts';

/** An engine that is here. */
export interface Engine {
  readonly name: string;
  readonly flags: readonly string[];
  /** How many rows each task of a finished job scored. */
  rowsPerTask?(jobName: string): Promise<readonly number[]>;
}

/** Engines, and what must be ended when they are not needed any more. */
export interface Engines extends AsyncDisposable {
  readonly all: readonly Engine[];
}

/** Four tasks of each step, two in each of two processes. */
const SIZE: Size = { taskManagers: 2, slots: 2 };
const ON_CLUSTER = 'flink, on a cluster';

/** @param wanted - names, with commas between them; all where there is none */
export async function enginesHere(wanted: string): Promise<Engines> {
  const names = wanted.split(',').filter((name) => name !== '');
  const isWanted = (name: string) => names.length === 0 || names.includes(name);
  const all: Engine[] = [
    { name: 'node', flags: ['--runner=node'] },
    { name: 'direct', flags: ['--runner=direct'] },
  ].filter(({ name }) => isWanted(name));
  if (isWanted('prism')) {
    const prism = await prismHere();
    if ('skip' in prism) leftOut('prism', prism.skip);
    else all.push({ name: 'prism', flags: ['--runner=prism', `--prismBinary=${prism.binary}`] });
  }
  const [embedded, clustered] = [isWanted('flink'), isWanted('cluster')];
  const flink = embedded || clustered ? await flinkHere() : undefined;
  if (!flink) return { all, [Symbol.asyncDispose]: async () => {} };
  if ('skip' in flink) {
    if (embedded) leftOut('flink', flink.skip);
    if (clustered) leftOut(ON_CLUSTER, flink.skip);
    return { all, [Symbol.asyncDispose]: async () => {} };
  }
  const flags = ['--runner=flink', `--flinkJobServer=${flink.jars}`];
  if (embedded) {
    all.push({ name: 'flink, in its job server', flags: [...flags, '--flinkMaster=[local]'] });
  }
  const cluster = clustered ? await clusterHere(SIZE) : undefined;
  if (cluster) {
    const parallelism = SIZE.taskManagers * SIZE.slots;
    all.push({
      name: `${ON_CLUSTER}, parallelism ${parallelism}`,
      flags: [...flags, `--flinkMaster=${cluster.address}`, `--parallelism=${parallelism}`],
      rowsPerTask: (jobName) => rowsPerTask(cluster.address, jobName),
    });
  }
  return { all, [Symbol.asyncDispose]: async () => cluster?.[Symbol.asyncDispose]() };
}

/** A cluster of our own, away when the benchmark is over. */
export interface ClusterHere extends AsyncDisposable {
  readonly address: string;
}

/** Starts a cluster, where Flink itself was fetched before. */
export async function clusterHere(size: Size): Promise<ClusterHere | undefined> {
  const distribution = join(root, '.cache/engines', `flink-${FLINK_RELEASE}`);
  if (!existsSync(distribution)) {
    leftOut(ON_CLUSTER, 'there is no Flink on this machine: scripts/test-engines fetches it');
    return undefined;
  }
  const cluster = new FlinkCluster(
    join(root, '.cache/bench/flink-cluster'),
    async () => distribution,
  );
  const end = () => void cluster.down().finally(() => process.exit(1));
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of signals) process.once(name, end);
  const { up } = await cluster.up(size);
  return {
    address: up.address,
    [Symbol.asyncDispose]: async () => {
      for (const name of signals) process.off(name, end);
      await cluster.down();
    },
  };
}

function leftOut(engine: string, why: string): void {
  console.error(`${engine} is left out: ${why}`);
}
