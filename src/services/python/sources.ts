// SPDX-License-Identifier: Apache-2.0
// Packages that are folders of a user's are built from a copy: setuptools leaves `build` and
// `*.egg-info` in the folder that it builds, and takes along what an earlier build left in the first.
// Whatever is copied can become part of what is installed, so that an environment is known by all of it.

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { cp, readdir, readlink, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { makeFolders } from '../../base/index.ts';

const NOT_COPIED = /^(__pycache__|node_modules|\.venv|\.tox|\.mypy_cache|build|.*\.egg-info)$/;

/** Of what is copied, what changes while the package stays as it is. */
const NO_CODE =
  /^\.(git|hg|svn|idea|vscode|pytest_cache|ruff_cache|DS_Store|coverage.*|dvc|nox|hypothesis|eggs|ipynb_checkpoints)$/;
/** The same at the top: what was packed before. */
const NO_CODE_AT_TOP = /^dist$/;

/** What tools leave is at the top; further down `build` may be a package of the user's. */
function isCopied(name: string, isAtTop: boolean): boolean {
  return isAtTop ? !NOT_COPIED.test(name) : name !== '__pycache__';
}

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
    await makeFolders(path.dirname(copy));
    await cp(spec, copy, {
      recursive: true,
      filter: (file) => isCopied(path.basename(file), path.dirname(file) === spec),
    });
    originals.set(copy, spec);
    given.push(copy);
  }
  return { packages: given, originals };
}

/** Digest of a package that is a file or a folder, by its contents. */
export async function digestSource(file: string): Promise<string> {
  const info = await stat(file);
  return info.isDirectory() ? digestFolder(file, new Set(), true) : digestFile(file);
}

async function digestFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/** @param seen - folders that count already: links may lead to one several times, and around in circles */
async function digestFolder(folder: string, seen: Set<string>, isTop: boolean): Promise<string> {
  seen.add(await realpath(folder));
  const hash = createHash('sha256');
  for (const name of (await readdir(folder)).sort()) {
    if (!isCopied(name, isTop) || NO_CODE.test(name)) continue;
    if (isTop && NO_CODE_AT_TOP.test(name)) continue;
    const file = path.join(folder, name);
    // Links are followed, as Python follows them.
    const info = await stat(file).catch(() => undefined);
    if (!info) hash.update(`${name}\0-> ${await readlink(file)}`);
    else if (info.isFile()) hash.update(`${name}\0${await digestFile(file)}`);
    else if (info.isDirectory()) {
      const real = await realpath(file);
      hash.update(`${name}/${seen.has(real) ? real : await digestFolder(file, seen, false)}`);
    }
  }
  return hash.digest('hex');
}
