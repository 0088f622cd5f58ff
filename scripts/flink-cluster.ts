// SPDX-License-Identifier: Apache-2.0
// `scripts/flink-cluster up|down|status`: a Flink cluster on this machine, from nothing, and away without
// a trace. `up` prints the address of its REST alone, for `flinkMaster`; all else is on standard error.
//
//   scripts/flink-cluster up [--task-managers=2] [--slots=2] [--classes=FOLDER]
//
// With --classes the cluster has the classes of a folder's jars beside Flink's own: hundreds of jobs that each bring Beam's anew
// fill the memory of a JobManager.

import { existsSync, readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { BeamBridgeError } from '../src/base/index.ts';
import { Told } from './engines/detached.ts';
import { FlinkCluster, type Up } from './engines/flink-cluster.ts';
import { flinkDistribution } from './engines/flink-distribution.ts';

const ENGINES = resolve(import.meta.dirname, '../.cache/engines');
const USAGE =
  'usage: scripts/flink-cluster up [--task-managers=2] [--slots=2] [--classes=FOLDER] | down | status';
/** What `status` ends with where nothing is up, as services do. */
const NOT_UP = 3;

function say(message: string): void {
  process.stderr.write(`flink-cluster: ${message}\n`);
}

function count(name: string, given: string): number {
  if (/^[1-9]\d?$/.test(given)) return Number(given);
  throw new Told(`--${name}=${given} is no number from 1 to 99`);
}

function jars(folder: string): string {
  const whole = resolve(folder);
  if (existsSync(whole) && readdirSync(whole).some((name) => name.endsWith('.jar'))) return whole;
  throw new Told(`--classes=${folder} is no folder with jars`);
}

const told = ({ version, taskManagers, slots }: Up) =>
  `Flink ${version}, TaskManagers: ${taskManagers}, slots of each: ${slots}`;

async function main(args: readonly string[]): Promise<number> {
  const { positionals, values } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      'task-managers': { type: 'string', default: '2' },
      slots: { type: 'string', default: '2' },
      classes: { type: 'string' },
    },
  });
  const cluster = new FlinkCluster(resolve(ENGINES, 'flink-cluster'), () =>
    flinkDistribution(ENGINES),
  );
  switch (positionals.join(' ')) {
    case 'up': {
      const taskManagers = count('task-managers', values['task-managers']);
      const slots = count('slots', values.slots);
      const classes = values.classes === undefined ? undefined : jars(values.classes);
      for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
        process.on(name, () => void cluster.down().finally(() => process.exit(1)));
      }
      const { up, wasUp } = await cluster.up({ taskManagers, slots, classes });
      say(`${wasUp ? 'it is up already' : 'it is up'}: ${told(up)}`);
      console.log(up.address);
      return 0;
    }
    case 'down':
      say((await cluster.down()) ? 'it is down, and nothing of it is left' : 'there is none');
      return 0;
    case 'status': {
      const up = await cluster.status();
      say(up ? `it is up: ${told(up)}` : 'it is not up');
      if (!up) return NOT_UP;
      console.log(up.address);
      return 0;
    }
    default:
      say(USAGE);
      return 2;
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const isUsage = (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  if (!(error instanceof Told || error instanceof BeamBridgeError || isUsage)) throw error;
  say(isUsage ? `${(error as Error).message}\n${USAGE}` : (error as Error).message);
  process.exitCode = isUsage ? 2 : 1;
}
