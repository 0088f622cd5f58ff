// SPDX-License-Identifier: Apache-2.0
// Finding a Python takes up to a few hundred milliseconds (version managers put scripts in its
// place), so what a request led to is remembered for the next run.

import { createHash } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { getLogger, makeFolders } from '../../base/index.ts';
import { cacheFolder } from './cache.ts';
import type { PythonEnvironment } from './environment.ts';
import type { Requirements } from './requirements.ts';

const log = getLogger('python-env');

function memoryFile(requirements: Requirements, isExact: boolean): string {
  const { PATH, BEAMBRIDGE_BASE_PYTHON } = process.env;
  const request = createHash('sha256')
    .update(JSON.stringify([requirements.digest, isExact, PATH, BEAMBRIDGE_BASE_PYTHON]))
    .digest('hex')
    .slice(0, 20);
  return path.join(cacheFolder(), 'requests', `${request}.json`);
}

/** The environment that the same request led to before. */
export async function recall(
  requirements: Requirements,
  isExact: boolean,
): Promise<PythonEnvironment | undefined> {
  try {
    const saved = JSON.parse(
      await readFile(memoryFile(requirements, isExact), 'utf8'),
    ) as PythonEnvironment;
    return typeof saved.python === 'string' && typeof saved.key === 'string' ? saved : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps an answer for {@link recall}; that it cannot be kept is no failure. */
export async function remember(
  requirements: Requirements,
  isExact: boolean,
  environment: PythonEnvironment,
): Promise<void> {
  const file = memoryFile(requirements, isExact);
  try {
    await makeFolders(path.dirname(file), 0o700);
    await writeFile(`${file}.${process.pid}`, JSON.stringify(environment));
    await rename(`${file}.${process.pid}`, file);
  } catch (error) {
    log.debug(`could not remember the environment: ${String(error)}`);
  }
}
