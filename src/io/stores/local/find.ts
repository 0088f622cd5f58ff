// SPDX-License-Identifier: Apache-2.0
// From patterns to paths, on the file system.

import type { readdir } from 'node:fs';
import { stat } from 'node:fs/promises';
import { relative, resolve } from 'node:path';
import { BeamBridgeError } from '../../../base/index.ts';
import { LinkedEntries } from './linked-entries.ts';

/** What means something in a pattern, unless a backslash is in front of it. */
const SYNTAX = /(?<!\\)[*?[{]/;
/** What would mean something to the library too: groups, negation, quotes, ranges in braces. */
const FOREIGN = /\\.|[()|"]|^!|\{[^{},]*\}/g;

/** @throws `FILE_NOT_FOUND` when nothing matches, unless that is allowed */
export async function findLocal(
  pattern: string,
  cwd: string,
  allowEmptyMatch: boolean,
): Promise<string[]> {
  // First as a path: names may hold characters that mean something in a pattern.
  const asPath = resolve(cwd, pattern);
  const there = await stat(asPath).catch(() => undefined);
  if (there?.isFile()) return [asPath];
  const paths = SYNTAX.test(pattern) ? await matches(pattern, cwd) : await unescaped(pattern, cwd);
  if (paths.length > 0 || allowEmptyMatch) return paths.sort();
  throw new BeamBridgeError(
    'FILE_NOT_FOUND',
    there?.isDirectory() ? `${pattern} is a folder` : `no file matches ${pattern}`,
    {
      hint: there?.isDirectory()
        ? `Say which files in it: '${pattern.replace(/\/$/, '')}/*'.`
        : pattern.startsWith('~')
          ? 'The shell alone makes a home folder of ~: give the path whole, with homedir() of node:os.'
          : `Paths are relative to ${cwd}.`,
    },
  );
}

async function matches(pattern: string, cwd: string): Promise<string[]> {
  // Late, since loading it takes longer than most programs' own code, and few read by pattern.
  const { glob } = await import('tinyglobby');
  const [up] = /^(?:\.{1,2}\/+)*/.exec(pattern)!;
  // To the library nothing in its own folder is below '..'.
  const base = resolve(cwd, up);
  const own = pattern.slice(up.length).replace(FOREIGN, escaped);
  const links = new LinkedEntries(own, base);
  const matching = await glob(own, {
    cwd: base,
    absolute: true,
    expandDirectories: false,
    onlyFiles: true,
    extglob: false,
    followSymbolicLinks: false,
    fs: { readdir: links.readdir as typeof readdir },
  });
  const found = await links.eachOnce(matching);
  return asksForHidden(pattern) ? found : found.filter((path) => !isHidden(relative(cwd, path)));
}

/** `\x` stays; anything else is no longer syntax. */
function escaped(part: string): string {
  if (part.startsWith('\\')) return part;
  if (part.startsWith('{')) return `\\{${part.slice(1, -1)}\\}`;
  return `\\${part}`;
}

/** The one path that a pattern means in which all syntax is escaped. */
async function unescaped(pattern: string, cwd: string): Promise<string[]> {
  const path = resolve(cwd, pattern.replace(/\\(.)/g, '$1'));
  const there = await stat(path).catch(() => undefined);
  return there?.isFile() ? [path] : [];
}

/** Whether a name in the pattern begins with a dot: `*` and `[!a]` mean no hidden files. */
function asksForHidden(pattern: string): boolean {
  return /(?:^|[/{,])\\?\.(?!\.?(?:\/|$))/.test(pattern);
}

function isHidden(path: string): boolean {
  return path.split(/[\\/]/).some((name) => /^\.(?!\.?$)/.test(name));
}
