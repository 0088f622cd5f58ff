// SPDX-License-Identifier: Apache-2.0
// `beambridge worker-pool`: starts a worker process for each that a runner asks for.

import { readFileSync } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type BootCommand, ensurePythonEnvironment, pythonBoot } from '../services/index.ts';
import { endWithParent, ownCommand, ProcessPool } from '../worker/index.ts';
import { type EnvironmentFlags, signalOf, withEnvironmentOptions } from './options.ts';
import { TERMINATED } from './worker.ts';

interface PoolFlags {
  listen: { host: string; port: number };
  tokenFile?: string;
  withParent?: true;
  python?: true;
}

type Flags = PoolFlags & EnvironmentFlags;

/** The subcommand `worker-pool`. */
export function workerPoolCommand(): Command {
  return withEnvironmentOptions(new Command('worker-pool'))
    .description('start worker processes for runners that ask: environmentType EXTERNAL')
    .addOption(
      new Option('--listen <address>', 'HOST:PORT; port 0 is any')
        .argParser(address)
        .default({ host: '127.0.0.1', port: 0 }, '127.0.0.1:0'),
    )
    .option(
      '--token-file <path>',
      'file with the token that runners show; needed for all but loopback',
    )
    .option('--with-parent', 'end with the process that started this one')
    .option('--python', 'workers for Python stages, with these extras and packages')
    .action(async (flags: Flags, command: Command) => {
      const { listen, tokenFile, withParent } = flags;
      if (withParent) endWithParent();
      const signal = signalOf(command)!;
      await using pool = await ProcessPool.start({
        ...(flags.python ? await pythonWorker(flags, signal) : ownWorker()),
        listen,
        token: tokenFile === undefined ? undefined : tokenOf(tokenFile),
      });
      process.stdout.write(`worker pool at ${pool.address}\n`);
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      process.exitCode = TERMINATED;
    });
}

function ownWorker(): BootCommand {
  const [file = '', ...args] = ownCommand();
  return { command: [file, ...args, 'worker'], env: {} };
}

async function pythonWorker(flags: Flags, signal: AbortSignal): Promise<BootCommand> {
  const { python } = await ensurePythonEnvironment({
    extras: flags.extra,
    packages: flags.package,
    signal,
  });
  return pythonBoot(python);
}

function address(text: string): { host: string; port: number } {
  const [, host, port] = /^\[?([^[\]/\s]+?)\]?:(\d{1,5})$/.exec(text) ?? [];
  if (host === undefined || Number(port) > 65_535) {
    throw new InvalidArgumentError('HOST:PORT is needed');
  }
  return { host, port: Number(port) };
}

function tokenOf(path: string): string {
  const token = readFileSync(path, 'utf8').trim();
  if (token === '') throw new InvalidArgumentError(`${path} holds no token`);
  return token;
}
