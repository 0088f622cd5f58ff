// SPDX-License-Identifier: Apache-2.0
// `beambridge worker-pool`: starts a worker process for each that a runner asks for.

import { readFileSync } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';
import { endWithParent, ownCommand, ProcessPool } from '../worker/index.ts';
import { signalOf } from './options.ts';
import { TERMINATED } from './worker.ts';

interface PoolFlags {
  listen: { host: string; port: number };
  tokenFile?: string;
  withParent?: true;
}

/** The subcommand `worker-pool`. */
export function workerPoolCommand(): Command {
  return new Command('worker-pool')
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
    .action(async ({ listen, tokenFile, withParent }: PoolFlags, command: Command) => {
      if (withParent) endWithParent();
      const [file = '', ...args] = ownCommand();
      const signal = signalOf(command)!;
      await using pool = await ProcessPool.start({
        command: [file, ...args, 'worker'],
        listen,
        token: tokenFile === undefined ? undefined : tokenOf(tokenFile),
      });
      process.stdout.write(`worker pool at ${pool.address}\n`);
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      process.exitCode = TERMINATED;
    });
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
