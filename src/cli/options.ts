// SPDX-License-Identifier: Apache-2.0
// Options that several subcommands share: what a Python environment must have.

import { type Command, InvalidArgumentError, Option } from 'commander';
import { PYTHON_EXTRAS } from '../services/index.ts';

/** Values of {@link withEnvironmentOptions}. */
export interface EnvironmentFlags {
  extra: string[];
  package: string[];
}

const collect = (value: string, before: string[]): string[] => [...before, value];

/** Adds `--extra` and `--package` to a command. */
export function withEnvironmentOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '-e, --extra <name>',
        `pinned packages to have: ${PYTHON_EXTRAS.join(', ')} (repeatable)`,
      )
        .argParser(collect)
        .default([], 'none'),
    )
    .addOption(
      new Option('-p, --package <spec>', 'another package, as pip takes it (repeatable)')
        .argParser(collect)
        .default([], 'none'),
    );
}

/** The signal that Ctrl-C fires. */
export function signalOf(command: Command): AbortSignal | undefined {
  const signal: unknown = command.optsWithGlobals().signal;
  return signal instanceof AbortSignal ? signal : undefined;
}

/** A number of seconds greater than 0, as an option's argument. */
export function seconds(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('a number of seconds greater than 0 is needed');
  return value;
}
