// SPDX-License-Identifier: Apache-2.0
// Models that an example makes for itself, once, with a Python script beside this file.

import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { ensurePythonEnvironment } from '../../src/services/index.ts';

/**
 * Runs a training script unless what it writes last is there.
 *
 * @param script - its name in this folder; its argument is the folder to write to
 * @param last - the file that it writes last
 * @param extras - Python extras that it needs
 * @returns the folder
 */
export async function trained(
  script: string,
  last: string,
  extras: readonly string[],
): Promise<string> {
  const folder = join('.cache/examples', script.replace(/^train_|\.py$/g, ''));
  if (existsSync(join(folder, last))) return folder;
  mkdirSync(folder, { recursive: true });
  const { python } = await ensurePythonEnvironment({ extras });
  await execa(python, [join(import.meta.dirname, script), folder], { stdio: 'inherit' });
  return folder;
}
