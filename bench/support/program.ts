// SPDX-License-Identifier: Apache-2.0
// Programs that are measured as users run them: JavaScript beside an installed package.

import { readdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { build } from 'esbuild';
import { execa } from 'execa';

export const root = resolve(import.meta.dirname, '../..');

/** Builds the package as it is published. */
export async function buildPackage(): Promise<void> {
  await execa('npm', ['run', '--silent', 'build'], { cwd: root });
}

/** A program of this repository as JavaScript; `beambridge` in it is this package as it is built. */
export async function compiled(program: string): Promise<string> {
  const outfile = join(root, '.cache/bench', basename(program).replace(/\.ts$/, '.mjs'));
  await build({
    entryPoints: [join(root, program)],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    // Without the paths that lead from the package's name to its sources.
    tsconfigRaw: {},
    logLevel: 'warning',
  });
  return outfile;
}

/** The lines of all shards, sorted: runners write them in any order. */
export function linesOf(prefix: string): string {
  const folder = resolve(prefix, '..');
  return readdirSync(folder)
    .filter((name) => name.startsWith(`${basename(prefix)}-`))
    .flatMap((name) => readFileSync(join(folder, name), 'utf8').trim().split('\n'))
    .sort()
    .join('\n');
}
