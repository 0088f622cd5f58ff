// SPDX-License-Identifier: Apache-2.0
// What an environment consists of: the pinned files of python-env/requirements, and packages that
// the user asked for. Its key follows from the content of both.

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { BeamBridgeError } from '../../base/index.ts';
import { PYTHON_ENV_FOLDER } from '../host/paths.ts';
import { digestSource } from './sources.ts';

/** Changed when environments are laid out in another way, so that old ones are not taken for new. */
const LAYOUT = 1;

/** Sets of packages that are pinned with hashes. */
export const PYTHON_EXTRAS = [
  'sklearn',
  'xgboost',
  'onnx',
  'torch',
  'huggingface',
  'tensorflow',
  'adk',
  'vertexai',
  'gemini',
  'anthropic',
  'tensorrt',
  'gcp',
  'dataframe',
  'vllm',
] as const;
export type PythonExtra = (typeof PYTHON_EXTRAS)[number];

/** Extras that want other versions than the rest, nothing joins them, or than those that are named. */
const APART: Readonly<Record<string, readonly string[] | 'all'>> = {
  vllm: 'all',
  dataframe: 'all',
  gcp: ['vertexai'],
};

/** An extra whose file holds Beam, too. */
const WITH_BEAM = 'vllm';

/** The files and packages of one environment. */
export interface Requirements {
  /** Paths of hashed requirements files. */
  files: string[];
  /** Their text, in the same order. */
  texts: string[];
  /** Names of extras, sorted, without repetition. */
  extras: string[];
  /** The user's packages as pip takes them; paths are absolute. */
  packages: string[];
  /** Digest of all of it. */
  digest: string;
}

/**
 * Collects what an environment needs.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT` for an extra that does not exist or a package that is an
 * option; `PACKAGE_NOT_INSTALLABLE` for a file that is not there
 */
export async function collectRequirements(
  extras: readonly string[],
  packages: readonly string[],
  folder = path.join(PYTHON_ENV_FOLDER, 'requirements'),
): Promise<Requirements> {
  const names = [...new Set(extras)].sort();
  refuseApart(names);
  const files: string[] = [];
  const texts: string[] = [];
  for (const name of names.includes(WITH_BEAM) ? names : ['base', ...names]) {
    const file = path.join(folder, `${name}.txt`);
    files.push(file);
    texts.push(await readRequirements(file, name));
  }
  const hash = createHash('sha256').update(
    JSON.stringify([LAYOUT, process.platform, process.arch]),
  );
  for (const text of texts) hash.update(`${text.length}\0${text}`);
  const specs: string[] = [];
  for (const spec of [...new Set(packages)].sort()) {
    const { resolved, content } = await resolvePackage(spec);
    if (specs.includes(resolved)) continue;
    specs.push(resolved);
    hash.update(`${resolved}\0${content}\0`);
  }
  return { files, texts, extras: names, packages: specs, digest: hash.digest('hex') };
}

function refuseApart(names: readonly string[]): void {
  for (const name of names) {
    const apart = APART[name] ?? [];
    const others = names.filter(
      (other) => other !== name && (apart === 'all' || apart.includes(other)),
    );
    if (others.length === 0) continue;
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `the Python extra "${name}" cannot be installed beside ${others.join(', ')}`,
      { hint: 'Give each its own transform: every one gets an environment of its own.' },
    );
  }
}

async function readRequirements(file: string, name: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (!existsSync(path.dirname(file))) {
      throw new BeamBridgeError(
        'UNSUPPORTED',
        `the Python side of beambridge is not beside its code: there is no ${path.dirname(file)}`,
        {
          hint: 'A bundler that puts beambridge into one file leaves it behind: keep the package external, as in `esbuild --packages=external`. See docs/install.md.',
          cause: error,
        },
      );
    }
    throw new BeamBridgeError('INVALID_ARGUMENT', `there is no Python extra "${name}"`, {
      hint: `Known extras: ${PYTHON_EXTRAS.join(', ')}. Name other packages in \`packages\`.`,
      cause: error,
    });
  }
}

async function resolvePackage(spec: string): Promise<{ resolved: string; content: string }> {
  const trimmed = spec.trim();
  if (trimmed === '' || trimmed.startsWith('-')) {
    throw new BeamBridgeError('INVALID_ARGUMENT', `"${spec}" is no Python package`, {
      hint: 'Name packages as pip does: `name`, `name==1.2`, or the path of a wheel or folder.',
    });
  }
  const named = namedFile(trimmed, spec);
  if (named === undefined && !isPath(trimmed)) return { resolved: trimmed, content: '' };
  const file = named ?? path.resolve(trimmed.replace(/^~(?=\/)/, homedir()));
  // A name, its extras and a fragment go to the installer as they were written.
  const isMore = named !== undefined && !/^file:[^\s;#]*$/.test(trimmed);
  const resolved = isMore ? trimmed : file;
  try {
    return { resolved, content: await digestSource(file) };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const isThere = code !== 'ENOENT';
    throw new BeamBridgeError(
      'PACKAGE_NOT_INSTALLABLE',
      `the Python package ${spec} ${isThere ? `cannot be read: ${message}` : 'is not there'}`,
      {
        hint: isThere
          ? 'Everything in the folder of a package is read, to know when it changes.'
          : `Relative paths start at the current folder; ${file} was looked for.`,
        cause: error,
      },
    );
  }
}

/** The file or folder of `file:///…` and `name @ file:///…`. */
function namedFile(trimmed: string, spec: string): string | undefined {
  const [, url] = /(?:^|@\s*)(file:[^\s;#]*)/.exec(trimmed) ?? [];
  if (url === undefined) return undefined;
  try {
    return fileURLToPath(url);
  } catch (error) {
    throw new BeamBridgeError('INVALID_ARGUMENT', `"${spec}" is no Python package`, {
      hint: 'The URL of a file has an absolute path: file:///home/me/package. Or give the path itself.',
      cause: error,
    });
  }
}

function isPath(spec: string): boolean {
  if (/^(\.{1,2}|~)?\//.test(spec) || spec === '.' || spec === '..') return true;
  return /\.(whl|zip|tar\.gz)$/.test(spec) && !spec.includes('://') && !spec.includes('@');
}

/** The pins of the hashed files without their hashes: constraints for packages that have none. */
export function constraintsOf(texts: readonly string[]): string {
  const pins = texts.flatMap((text) =>
    text.split('\n').filter((line) => /^[A-Za-z0-9]/.test(line)),
  );
  return `${[...new Set(pins.map((line) => line.replace(/\s*\\$/, '')))].join('\n')}\n`;
}
