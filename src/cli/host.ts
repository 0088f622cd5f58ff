// SPDX-License-Identifier: Apache-2.0
// `beambridge host`: a Python host that is warm when a pipeline starts.

import { Command, InvalidArgumentError, Option } from 'commander';
import { listDetachedHosts, startDetachedHost, stopDetachedHosts } from '../services/index.ts';
import { type EnvironmentFlags, signalOf, withEnvironmentOptions } from './options.ts';

interface StartFlags extends EnvironmentFlags {
  idleTimeout: number;
}

function minutes(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('a number of minutes greater than 0 is needed');
  return value;
}

/** The subcommand `host`. */
export function hostCommand(): Command {
  const host = new Command('host').description('keep a Python host warm between runs');
  withEnvironmentOptions(host.command('start'))
    .description('start a host that pipelines with the same extras and packages use from then on')
    .addOption(
      new Option('--idle-timeout <minutes>', 'end after so many minutes without use')
        .argParser(minutes)
        .default(30),
    )
    .action(async (flags: StartFlags, command: Command) => {
      const { pid, address } = await startDetachedHost({
        extras: flags.extra,
        packages: flags.package,
        idleTimeout: flags.idleTimeout * 60,
        signal: signalOf(command),
      });
      process.stdout.write(`host ${pid} at ${address}\n`);
    });
  host
    .command('status')
    .description('list the warm hosts; exit status 1 when there is none')
    .action(async () => {
      const hosts = await listDetachedHosts();
      for (const { pid, address, python } of hosts) {
        process.stdout.write(`host ${pid} at ${address}, ${python}\n`);
      }
      if (hosts.length === 0) {
        process.stdout.write('no warm host\n');
        process.exitCode = 1;
      }
    });
  host
    .command('stop')
    .description('stop all warm hosts')
    .action(async () => {
      const count = await stopDetachedHosts();
      process.stdout.write(count === 0 ? 'no warm host\n' : `stopped ${count}\n`);
    });
  return host;
}
