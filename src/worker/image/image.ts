// SPDX-License-Identifier: Apache-2.0
// Container images of workers as texts for `docker build`: what a runner with DOCKER environments starts is
// the entry point, by Beam's container contract. The build context holds one file, this package as npm packs it.

import { packageVersion } from '../../base/index.ts';
import { invalid, quoted } from './parts.ts';
import { pythonImage } from './python.ts';
import { typescriptImage } from './typescript.ts';

/** Whose stages the containers run. */
export type ImageLanguage = 'typescript' | 'python';

/** What {@link workerImage} writes. */
export interface ImageOptions {
  /** @default 'typescript' */
  readonly language?: string | undefined;
  /** The image that it is made from. @default `node:22-slim`, or `python:3.12-slim` for Python 3.12 */
  readonly base?: string | undefined;
  /** Python's version, major and minor: the one where pipelines are submitted, which pickles functions. */
  readonly python?: string | undefined;
  /** Python's extras, as for an environment. */
  readonly extras?: readonly string[] | undefined;
  /** Further Python packages, as pip takes them. */
  readonly packages?: readonly string[] | undefined;
}

/**
 * A Dockerfile.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT`
 */
export async function workerImage(options: ImageOptions = {}): Promise<string> {
  const { language = 'typescript', base, extras = [], packages = [], python } = options;
  if (base !== undefined && !/^[\w][\w./:@-]*$/.test(base)) {
    throw invalid(`${JSON.stringify(base)} is no name of an image`, 'Give REGISTRY/NAME:TAG.');
  }
  const tarball = `beambridge-${packageVersion()}.tgz`;
  const command = commandOf(options);
  switch (language) {
    case 'typescript': {
      const [needless] = [...extras, ...packages, ...(python === undefined ? [] : [python])];
      if (needless === undefined) {
        return typescriptImage({ base: base ?? 'node:22-slim', tarball, command });
      }
      throw invalid(
        'the image of TypeScript workers has no Python in it',
        'Python stages have workers and an image of their own: --language=python.',
      );
    }
    case 'python':
      return pythonImage(
        { base: base ?? `python:${checkPython(python)}-slim`, tarball, command },
        extras,
        packages,
      );
    default:
      throw invalid(
        `there are no workers of the language ${JSON.stringify(language)}`,
        'It is typescript or python.',
      );
  }
}

function checkPython(version = '3.12'): string {
  if (/^3\.1[0-4]$/.test(version)) return version;
  throw invalid(
    `Python ${JSON.stringify(version)} is none that apache-beam runs on`,
    'Give 3.10 to 3.14, the one where pipelines are submitted.',
  );
}

function commandOf({ language, base, python, extras = [], packages = [] }: ImageOptions): string {
  const flags = Object.entries({ language, base, python })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `--${name}=${value}`);
  if (extras.length > 0) flags.push(`--extras=${extras.join(',')}`);
  for (const spec of packages) flags.push(`--package=${quoted(spec)}`);
  return ['npx beambridge worker image --print', ...flags].join(' ');
}
