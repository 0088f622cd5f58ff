// SPDX-License-Identifier: Apache-2.0
// What a pattern makes of links. Without it a linked folder inside `**` gives its files twice, and one
// that leads to a folder above it gives them for ever.

import { type Dirent, readdir } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { mapSome } from '../../../base/index.ts';

type WhenListed = (error: NodeJS.ErrnoException | null, entries?: Dirent[]) => void;

/** Lists folders for one pattern, with links told apart by what they lead to. */
export class LinkedEntries {
  private readonly links = new Set<string>();
  private readonly deepest: number;

  /** As `**` does in shells and in Beam's Python, no linked folder is entered from there on. */
  constructor(pattern: string, cwd: string) {
    const before = pattern.includes('**') ? pattern.slice(0, pattern.indexOf('**')) : undefined;
    this.deepest = before === undefined ? Infinity : depthOf(resolve(cwd, `${before}x`)) - 1;
  }

  /** In the place of the file system's own. */
  readonly readdir = (folder: string, _: unknown, done: WhenListed): void => {
    readdir(folder, { withFileTypes: true }, (error, entries) => {
      if (error) done(error);
      else if (!entries.some((entry) => entry.isSymbolicLink())) done(null, entries);
      else this.followed(folder, entries).then((all) => done(null, all), done);
    });
  };

  private async followed(folder: string, entries: readonly Dirent[]): Promise<Dirent[]> {
    const all = await mapSome(entries, async (entry) => {
      if (!entry.isSymbolicLink()) return entry;
      const path = join(folder, entry.name);
      // A link that leads nowhere is no file.
      const target = await stat(path).catch(() => undefined);
      if (!target?.isFile() && !(target?.isDirectory() && depthOf(path) <= this.deepest)) {
        return undefined;
      }
      this.links.add(path);
      return as(entry, target.isFile());
    });
    return all.filter((entry) => entry !== undefined);
  }

  /** Each file by one name, which is one without a link where there is such a name. */
  async eachOnce(paths: readonly string[]): Promise<string[]> {
    if (this.links.size === 0) return [...paths];
    const straight = paths.filter((path) => !this.leadsThroughLink(path));
    const crooked = paths.filter((path) => this.leadsThroughLink(path)).sort();
    const ordered = [...straight, ...crooked];
    const names = new Map<string, string>();
    const files = await mapSome(ordered, (path) => realpath(path));
    for (const [i, file] of files.entries()) if (!names.has(file)) names.set(file, ordered[i]!);
    return [...names.values()];
  }

  private leadsThroughLink(path: string): boolean {
    for (let at = path; ; at = dirname(at)) {
      if (this.links.has(at)) return true;
      if (dirname(at) === at) return false;
    }
  }
}

function depthOf(path: string): number {
  return path.split(sep).filter((name) => name !== '').length;
}

/** A link's entry as that of the file or folder that it leads to. */
function as(entry: Dirent, isFile: boolean): Dirent {
  return Object.assign(Object.create(entry) as Dirent, {
    name: entry.name,
    isFile: () => isFile,
    isDirectory: () => !isFile,
    isSymbolicLink: () => false,
  });
}
