// SPDX-License-Identifier: Apache-2.0
// Where this package lies. The build moves code from file to file, so nothing else may count on the
// place of the file that it is written in.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';

/** The folder of `package.json`. */
function findPackage(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json')) && folder !== dirname(folder)) {
    folder = dirname(folder);
  }
  return folder;
}

const root = findPackage();

/** Path of a file or folder that is published beside the code, such as `python-env`. */
export function packagePath(name: string): string {
  return join(root, name);
}

// A program that travels to workers as one file has our code in it, and no package beside it. Whoever
// makes that file (src/worker) puts texts in the place of these two expressions.
const bundledFrom = process.env.BEAMBRIDGE_BUNDLED_FROM;
const bundledVersion = process.env.BEAMBRIDGE_BUNDLED_VERSION;

/** The folder of our code: `src` in the repository, `dist` in the published package. */
export const CODE_FOLDER =
  bundledFrom || join(root, relative(root, import.meta.dirname).split(sep)[0] ?? '');

/** The version of this package. */
export function packageVersion(): string {
  if (bundledVersion) return bundledVersion;
  const { version } = JSON.parse(readFileSync(packagePath('package.json'), 'utf8')) as {
    version: string;
  };
  return version;
}
