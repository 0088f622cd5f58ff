// SPDX-License-Identifier: Apache-2.0
// `beambridge worker image`: what a container of workers is built from.

import { Command } from 'commander';
import { localPythonVersion } from '../services/index.ts';
import { workerImage } from '../worker/index.ts';
import { type EnvironmentFlags, withEnvironmentOptions } from './options.ts';

interface ImageFlags extends EnvironmentFlags {
  language: string;
  base?: string;
  python?: string;
  extras?: string;
}

/** The subcommand `image` of `worker`. */
export function workerImageCommand(): Command {
  return withEnvironmentOptions(new Command('image'))
    .description('print the Dockerfile of an image of workers: environmentType DOCKER')
    .requiredOption('--print', 'on standard output, for `docker build --file -`')
    .option('--language <name>', 'whose stages they run: typescript or python', 'typescript')
    .option('--base <image>', 'what it is made from (default: node:22-slim, python:VERSION-slim)')
    .option('--python <version>', "Python's, such as 3.12 (default: the version of this machine)")
    .option('--extras <names>', 'as --extra, several with commas between them')
    .action(async ({ language, base, python, extra, extras, package: packages }: ImageFlags) => {
      const names = [...extra, ...(extras ?? '').split(',')].map((name) => name.trim());
      process.stdout.write(
        await workerImage({
          language,
          base,
          python: python ?? (language === 'python' ? await localPythonVersion() : undefined),
          extras: names.filter((name) => name !== ''),
          packages,
        }),
      );
    });
}
