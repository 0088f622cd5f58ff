// SPDX-License-Identifier: Apache-2.0
// `beambridge env`: Python environments before a pipeline needs them.

import { Command } from 'commander';
import { cleanPythonEnvironments, ensurePythonEnvironment } from '../services/index.ts';
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
    .command('clean')
    .description('remove all environments; they are built again when needed')
    .action(() => cleanPythonEnvironments());
  return env;
}
