// SPDX-License-Identifier: Apache-2.0
// A scikit-learn model on real digits, trained once per cache folder, for tests that need one.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ensurePythonEnvironment } from '../../src/services/index.ts';

const root = resolve(import.meta.dirname, '../..');

/** Paths of the digits' data and model, and the interpreter that they belong to. */
export interface Digits {
  /** All 1,797 rows, `label,pixel,…`. */
  all: string;
  model: string;
  python: string;
}

/** Trains the model unless it is there. Two test files may ask at once. */
export async function trainedDigits(): Promise<Digits> {
  const { python } = await ensurePythonEnvironment({ extras: ['sklearn'] });
  const folder = join(root, '.cache/test/digits');
  if (!existsSync(join(folder, 'model.pkl'))) {
    const scratch = `${folder}-${process.pid}`;
    mkdirSync(scratch, { recursive: true });
    execFileSync(python, [join(root, 'examples/support/train_mnist.py'), 'digits', scratch]);
    try {
      renameSync(scratch, folder);
    } catch {
      rmSync(scratch, { recursive: true }); // Another test file was first.
    }
  }
  return { all: join(folder, 'all.csv'), model: join(folder, 'model.pkl'), python };
}

/** What scikit-learn itself says of the rows of a file, as lines `label,inference`. */
export function predictedByPython({ python, model }: Digits, csv: string): string[] {
  const program = `
import pickle, sys, numpy
rows = numpy.loadtxt(sys.argv[2], delimiter=',', dtype=numpy.int64)
model = pickle.load(open(sys.argv[1], 'rb'))
for label, inference in zip(rows[:, 0], model.predict(rows[:, 1:])):
    print(f'{label},{inference}')
`;
  return execFileSync(python, ['-c', program, model, csv], { encoding: 'utf8' }).trim().split('\n');
}

/** Lines of a text file without the last, empty one. */
export function linesOf(file: string): string[] {
  return readFileSync(file, 'utf8').trim().split('\n');
}
