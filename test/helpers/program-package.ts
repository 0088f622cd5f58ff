// SPDX-License-Identifier: Apache-2.0
// A program as a package of npm's with tarballs of its own beside it, so that nothing comes from a network.
// `beambridge` in it is one file that stands for the sources here.

import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packagePath, packageVersion } from '../../src/base/index.ts';

/** What a test changes of the package. */
export interface ProgramPackageOptions {
  /** Fields of its package.json. */
  readonly manifest?: Record<string, unknown>;
  /** The program, which may import `tiny`. */
  readonly program?: string;
  /** The version that `beambridge` says it is. */
  readonly version?: string;
  /** Whether there is a package-lock.json. @default true */
  readonly isLocked?: boolean;
}

const PROGRAM = `
import { twice } from 'tiny';
import { create, pipeline } from 'beambridge';
export const score = pipeline(import.meta.url, (root) => {
  root.apply(create([1, 2])).map(function double(n) { return twice(n); });
});
`;

/** A program that submits itself, and calls a package that came with it. Arguments: output, options. */
export const PACKAGED = `
import { twice } from 'tiny';
import { create, createRunner, pipeline, reshuffle } from 'beambridge';
import { writeToText } from 'beambridge/io';

const [output, options] = process.argv.slice(2);
export const score = pipeline(import.meta.url, (root) =>
  root
    .apply(create([20, 21]))
    .apply(reshuffle())
    .map((n) => \`\${twice(n)} from \${import.meta.dirname}\`)
    .apply(writeToText(output)),
);
await createRunner(JSON.parse(options)).run(score);
`;

/** Makes the package in an empty folder, installs it, and gives the URL of its module. */
export function makeProgramPackage(folder: string, options: ProgramPackageOptions = {}): string {
  const { manifest, program = PROGRAM, version = packageVersion(), isLocked = true } = options;
  const vendor = join(folder, 'vendor');
  const sources = (name: string) => pathToFileURL(packagePath(`src/${name}.ts`)).href;
  dependency(vendor, 'beambridge', version, {
    'index.js': `export * from '${sources('index')}';\n`,
    'io.js': `export * from '${sources('io/index')}';\n`,
  });
  dependency(vendor, 'tiny', '1.0.0', { 'index.js': 'export const twice = (n) => 2 * n;\n' });
  writeJson(join(folder, 'package.json'), {
    name: '@test/scores',
    version: '1.0.0',
    private: true,
    type: 'module',
    files: ['src', 'vendor/*.tgz'],
    dependencies: {
      beambridge: `file:vendor/beambridge-${version}.tgz`,
      tiny: 'file:vendor/tiny-1.0.0.tgz',
    },
    // Fails wherever it runs: no worker develops this package.
    scripts: { prepare: 'exit 7' },
    ...manifest,
  });
  mkdirSync(join(folder, 'src'));
  writeFileSync(join(folder, 'src/program.mjs'), program);
  npm(folder, 'install', '--offline', '--ignore-scripts', isLocked ? '' : '--no-package-lock');
  return pathToFileURL(join(folder, 'src/program.mjs')).href;
}

function dependency(
  vendor: string,
  name: string,
  version: string,
  files: Readonly<Record<string, string>>,
): void {
  const folder = join(vendor, name);
  mkdirSync(folder, { recursive: true });
  const exports = { '.': './index.js', './*': './*.js' };
  writeJson(join(folder, 'package.json'), { name, version, type: 'module', exports });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
  npm(folder, 'pack', '--pack-destination', vendor);
}

function npm(cwd: string, ...args: string[]): void {
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
  execFileSync('npm', [...args.filter((arg) => arg !== ''), ...quiet], { cwd, stdio: 'pipe' });
}

function writeJson(path: string, value: unknown): void {
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
}
