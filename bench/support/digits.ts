// SPDX-License-Identifier: Apache-2.0
// The main job's input, as large as wanted, and its model.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { root } from './program.ts';

const data = join(root, '.cache/bench/digits');
const trained = join(root, '.cache/mnist/digits');

/** The path of a scikit-learn model of digits, trained unless it is there. */
export async function trainedModel(): Promise<string> {
  const model = join(trained, 'model.pkl');
  if (!existsSync(model)) {
    await execa(process.execPath, ['--import', 'tsx', 'scripts/example.ts', 'train-mnist'], {
      cwd: root,
    });
  }
  return model;
}

/** A file with `rows` lines of real digits, once there is a model: the 1,797 of them over and over. */
export function rowsOfDigits(rows: number): string {
  const file = join(data, `${rows}.csv`);
  if (existsSync(file)) return file;
  mkdirSync(data, { recursive: true });
  const lines = readFileSync(join(trained, 'all.csv'), 'utf8').trim().split('\n');
  const out = Array.from({ length: rows }, (_, i) => lines[i % lines.length]);
  writeFileSync(file, `${out.join('\n')}\n`);
  return file;
}
