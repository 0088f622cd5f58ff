// SPDX-License-Identifier: Apache-2.0
// `beambridge worker`: the program that a runner starts for a worker, by Beam's container contract.

import { Command, Option } from 'commander';
import { BeamBridgeError } from '../base/index.ts';
import { endWithParent, runWorker } from '../worker/index.ts';
import { seconds, signalOf } from './options.ts';
import { workerImageCommand } from './worker-image.ts';

interface WorkerCommandFlags {
  id?: string;
  provision_endpoint?: string;
  control_endpoint?: string;
  logging_endpoint?: string;
  artifact_endpoint?: string;
  startTimeout: number;
}

/** Status of a process that ended because it was told to: 128 and the number of SIGTERM. */
export const TERMINATED = 143;

/** The subcommand `worker`. */
export function workerCommand(): Command {
  return (
    new Command('worker')
      .description('run as a worker of a runner, which starts it with these flags')
      // Prism passes it in quotes that no shell takes away.
      .addOption(new Option('--id <id>', 'the name that the runner gave').argParser(unquoted))
      .option('--provision_endpoint <address>', 'HOST:PORT of the provision service')
      .option('--control_endpoint <address>', 'of older runners')
      .option('--logging_endpoint <address>', 'of older runners')
      .option('--artifact_endpoint <address>', 'of older runners')
      .addOption(
        new Option(
          '--start-timeout <seconds>',
          'that the services of the runner may take to answer',
        )
          .argParser(seconds)
          .default(60),
      )
      .addCommand(workerImageCommand())
      .allowUnknownOption()
      .allowExcessArguments()
      .action(async (flags: WorkerCommandFlags, command: Command) => {
        endWithParent();
        const signal = signalOf(command)!;
        await runWorker({
          id: flags.id ?? '',
          provisionEndpoint: flags.provision_endpoint,
          controlEndpoint: flags.control_endpoint,
          loggingEndpoint: flags.logging_endpoint,
          artifactEndpoint: flags.artifact_endpoint,
          startTimeoutMs: flags.startTimeout * 1000,
          signal,
        }).then(
          () => process.exit(signal.aborted ? TERMINATED : 0),
          (error: unknown) => {
            process.stderr.write(
              `beambridge worker${flags.id ? ` ${flags.id}` : ''}: ${BeamBridgeError.from(error).message}\n`,
            );
            // What the program opened would keep the process.
            process.exit(signal.aborted ? TERMINATED : 1);
          },
        );
      })
  );
}

function unquoted(text: string): string {
  return /^'(.*)'$/s.exec(text)?.[1] ?? text;
}
