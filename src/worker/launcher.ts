// SPDX-License-Identifier: Apache-2.0
// A file that can be executed and is a worker: runners start one command, without arguments of ours.

import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { CODE_FOLDER, makeFolders } from '../base/index.ts';
import { cacheFolder } from '../services/index.ts';

/** Flags of Node's that name what is loaded first; such loaders make a program in TypeScript run. */
const LOADERS: ReadonlySet<string> = new Set(['--import', '--require', '-r', '--loader']);

/** The command of `beambridge`, as this program has it: what comes before its arguments. */
export function ownCommand(execArgv = process.execArgv): string[] {
  const main = join(CODE_FOLDER, 'cli', 'main');
  return [
    process.execPath,
    ...loaders(execArgv),
    existsSync(`${main}.js`) ? `${main}.js` : `${main}.ts`,
  ];
}

function loaders(execArgv: readonly string[]): string[] {
  const kept: string[] = [];
  for (const [i, flag] of execArgv.entries()) {
    const [name = '', attached] = flag.split(/=(.*)/s, 2);
    const value = attached ?? execArgv[i + 1];
    if (!LOADERS.has(name) || value === undefined) continue;
    kept.push(name, absolute(name, value));
  }
  return kept;
}

/** A loader's name means another file in another folder. */
function absolute(flag: string, value: string): string {
  if (/^(?:file:|node:|data:|\/)/.test(value)) return value;
  try {
    const isPath = value.startsWith('.');
    const url = isPath
      ? pathToFileURL(join(process.cwd(), value)).href
      : import.meta.resolve(value);
    return flag === '--import' || flag === '--loader' ? url : fileURLToPath(url);
  } catch {
    return value;
  }
}

/** A worker of TypeScript's, as a runner's command. */
export function makeWorkerLauncher(): Promise<string> {
  return makeLauncher([...ownCommand(), 'worker']);
}

/** Makes a file of a command for runners on this machine, and gives its path. */
export async function makeLauncher(
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const exports = Object.entries(env).map(([name, value]) => `export ${name}=${quoted(value)}\n`);
  const text = `#!/bin/sh\n${exports.join('')}exec ${command.map(quoted).join(' ')} "$@"\n`;
  const folder = join(cacheFolder(), 'launchers');
  const name = createHash('sha256').update(text).digest('hex').slice(0, 16);
  const path = join(folder, `worker-${name}`);
  if (existsSync(path)) return path;
  await makeFolders(folder, 0o700);
  const temporary = `${path}.${randomUUID()}`;
  await writeFile(temporary, text, { mode: 0o700 });
  await rename(temporary, path);
  return path;
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
