// SPDX-License-Identifier: Apache-2.0
// `beambridge env`: Python environments before a pipeline needs them.

import { Command, InvalidArgumentError, Option } from 'commander';
import { conceal } from '../base/index.ts';
import {
  cleanPythonEnvironments,
  ensurePythonEnvironment,
  listPythonEnvironments,
  prunePythonEnvironments,
  type Removal,
  type StoredEnvironment,
  sizeOf,
} from '../services/index.ts';
import { type EnvironmentFlags, signalOf, withEnvironmentOptions } from './options.ts';

/** The subcommand `env`. */
export function environmentCommand(): Command {
  const env = new Command('env').description(
    'manage the Python environments that pipelines run in',
  );
  const find = async (
    flags: EnvironmentFlags,
    command: Command,
    verify: boolean,
  ): Promise<void> => {
    const { python } = await ensurePythonEnvironment({
      extras: flags.extra,
      packages: flags.package,
      verify,
      signal: signalOf(command),
    });
    process.stdout.write(`${python}\n`);
  };
  withEnvironmentOptions(env.command('build'))
    .description('build an environment, or check and repair it, and print its Python')
    .action((flags: EnvironmentFlags, command: Command) => find(flags, command, true));
  withEnvironmentOptions(env.command('path'))
    .description('print the Python of an environment, building it if need be')
    .action((flags: EnvironmentFlags, command: Command) => find(flags, command, false));
  env
    .command('list')
    .description('list the environments: what each has, its size, and when it was last used')
    .action(async () => printTable(await listPythonEnvironments()));
  env
    .command('prune')
    .description('remove environments that are not used, never one that a process runs on')
    .addOption(
      new Option('--days <days>', 'those that no program asked for in so many days')
        .argParser(days)
        .default(30),
    )
    .addOption(new Option('--all', 'all that are not in use').conflicts('days'))
    .action(async ({ all, days }: PruneFlags) => {
      tell(await prunePythonEnvironments(all ? {} : { unusedFor: days * DAY_MS }));
    });
  env
    .command('clean')
    .description('remove all environments; they are built again when needed')
    .action(async () => tell(await cleanPythonEnvironments()));
  return env;
}

const DAY_MS = 24 * 3600_000;

interface PruneFlags {
  days: number;
  all?: true;
}

function days(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0)) {
    throw new InvalidArgumentError('a number of days is needed');
  }
  return value;
}

async function printTable(environments: readonly StoredEnvironment[]): Promise<void> {
  const rows = [['KEY', 'PYTHON', 'SIZE', 'LAST USED', 'STATE', 'HAS']];
  for (const environment of environments) {
    const { key, version = '?', extras, packages, lastUsed, state, folder } = environment;
    const has = conceal([...extras, ...packages].join(' '));
    const size = gigabytes(await sizeOf(folder));
    rows.push([
      key,
      version,
      size,
      ago(lastUsed),
      stateOf(environment),
      has || (state === 'whole' ? 'Beam' : '?'),
    ]);
  }
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  for (const row of rows) {
    const cells = row.map((cell, column) => cell.padEnd(widths[column]!));
    process.stdout.write(`${cells.join('  ').trimEnd()}\n`);
  }
}

function stateOf({ state, processes }: StoredEnvironment): string {
  if (processes.length > 0) return `in use by ${processes.join(', ')}`;
  return state === 'whole' ? 'unused' : state === 'building' ? 'being built' : 'damaged';
}

function ago(time: Date): string {
  const past = Math.floor((Date.now() - time.getTime()) / DAY_MS);
  return past <= 0 ? 'today' : past === 1 ? '1 day ago' : `${past} days ago`;
}

function gigabytes(size: number): string {
  return `${(size / 2 ** 30).toFixed(2)} GiB`;
}

function tell(removals: readonly Removal[]): void {
  let total = 0;
  for (const { environment, freed, kept } of removals) {
    const { key, extras, packages, processes } = environment;
    const what = conceal([key, ...extras, ...packages].join(' '));
    total += freed ?? 0;
    if (kept) process.stdout.write(`kept ${what}: ${kept}\n`);
    else if (processes.length === 0) process.stdout.write(`removed ${what}\n`);
    else process.stdout.write(`removed ${what}, on which process ${processes.join(', ')} runs\n`);
  }
  process.stdout.write(`${gigabytes(total)} freed\n`);
}
