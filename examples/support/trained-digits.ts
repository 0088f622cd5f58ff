// SPDX-License-Identifier: Apache-2.0
// Trains the digits' model of one framework in an environment that has it, once.

import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { ensurePythonEnvironment } from '../../src/services/index.ts';

/** The framework's set of packages. */
const EXTRAS: Readonly<Record<string, string>> = {
  sklearn: 'sklearn',
  pytorch: 'torch',
  tensorflow: 'tensorflow',
  onnx: 'onnx',
  xgboost: 'xgboost',
};

/** The folder of a framework's model of the digits, and of the rows that it has not seen. */
export async function trainedDigits(framework: string): Promise<string> {
  const extra = EXTRAS[framework];
  if (!extra) {
    console.error(`--framework=${framework} is none of ${Object.keys(EXTRAS).join(', ')}`);
    process.exit(1);
  }
  const folder = join('.cache/digits', framework);
  if (existsSync(folder)) return folder;
  const { python } = await ensurePythonEnvironment({ extras: [extra] });
  mkdirSync(dirname(folder), { recursive: true });
  const scratch = mkdtempSync(`${folder}-`);
  try {
    const rows = await allDigits();
    const program = join(import.meta.dirname, 'train_digits.py');
    await execa(python, [program, framework, rows, scratch], {
      stdout: 'inherit',
      stderr: 'pipe',
    });
    if (!existsSync(folder)) renameSync(scratch, folder);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return folder;
}

/** scikit-learn's 1,797 digits as `label,pixel,…`. */
async function allDigits(): Promise<string> {
  const file = '.cache/digits/all.csv';
  if (!existsSync(file)) {
    const { python } = await ensurePythonEnvironment({ extras: ['sklearn'] });
    const partial = `${file}.${process.pid}`;
    const program = `
import sys, numpy
from sklearn.datasets import load_digits
digits = load_digits()
numpy.savetxt(sys.argv[1], numpy.column_stack([digits.target, digits.data]), fmt='%d', delimiter=',')
`;
    await execa(python, ['-c', program, partial]);
    renameSync(partial, file);
  }
  return file;
}
