#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The `beambridge` command: keeps a Python host warm, builds Python environments ahead of time, runs workers.

import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { packagePath, packageVersion } from '../base/index.ts';
import { environmentCommand } from './environment.ts';
import { hostCommand } from './host.ts';
import { runCommand } from './run-command.ts';
import { workerCommand } from './worker.ts';
import { workerPoolCommand } from './worker-pool.ts';

const { description } = JSON.parse(readFileSync(packagePath('package.json'), 'utf8')) as {
  description: string;
};

const program = new Command('beambridge')
  .description(description)
  .version(packageVersion())
  .addCommand(hostCommand())
  .addCommand(environmentCommand())
  .addCommand(workerCommand())
  .addCommand(workerPoolCommand());

await runCommand(program);
