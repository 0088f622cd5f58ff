// SPDX-License-Identifier: Apache-2.0
// A command of this package from its arguments to its exit status.

import type { Command } from 'commander';
import { BeamBridgeError } from '../base/index.ts';

/** Runs it with the arguments of this process. */
export async function runCommand(program: Command): Promise<void> {
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
}
