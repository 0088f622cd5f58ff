#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The `beambridge` command: keeps a Python host warm, builds Python environments ahead of time.

import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { BeamBridgeError, packagePath } from '../base/index.ts';
import { environmentCommand } from './environment.ts';
import { hostCommand } from './host.ts';

const { version, description } = JSON.parse(readFileSync(packagePath('package.json'), 'utf8')) as {
  version: string;
  description: string;
};

const program = new Command('beambridge')
  .description(description)
  .version(version)
  .addCommand(hostCommand())
  .addCommand(environmentCommand());

// Ctrl-C ends what is being built or waited for, and leaves nothing half done.
const interrupted = new AbortController();
process.once('SIGINT', () => interrupted.abort());
process.once('SIGTERM', () => interrupted.abort());
program.setOptionValue('signal', interrupted.signal);

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`beambridge: ${BeamBridgeError.from(error).message}\n`);
  process.exitCode = interrupted.signal.aborted ? 130 : 1;
}
