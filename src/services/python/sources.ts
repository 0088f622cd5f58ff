// SPDX-License-Identifier: Apache-2.0
// Packages that are folders of a user's are built from a copy: setuptools leaves `build` and
// `*.egg-info` in the folder that it builds, and takes along what an earlier build left in the first.

import { cp, mkdir, stat } from 'node:fs/promises';
import path from 'node:path';

const NOT_COPIED = /^(__pycache__|node_modules|\.venv|\.tox|\.mypy_cache|build|.*\.egg-info)$/;

/** What an installer is given in place of a user's folders. */
export interface Sources {
  readonly packages: readonly string[];
  /** The user's own path of each copy, for messages. */
  readonly originals: ReadonlyMap<string, string>;
}

/** Copies the folders among `packages` into `folder`. */
export async function copySources(packages: readonly string[], folder: string): Promise<Sources> {
  const originals = new Map<string, string>();
  const given: string[] = [];
  for (const spec of packages) {
    const isFolder =
      path.isAbsolute(spec) && (await stat(spec).catch(() => undefined))?.isDirectory();
    if (!isFolder) {
      given.push(spec);
      continue;
    }
    const copy = path.join(folder, String(originals.size), path.basename(spec));
    await mkdir(path.dirname(copy), { recursive: true });
    await cp(spec, copy, {
      recursive: true,
      // What tools leave is at the top; further down `build` may be a package of the user's.
      filter: (file) =>
        path.dirname(file) === spec
          ? !NOT_COPIED.test(path.basename(file))
          : path.basename(file) !== '__pycache__',
    });
    originals.set(copy, spec);
    given.push(copy);
  }
  return { packages: given, originals };
}
