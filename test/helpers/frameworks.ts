// SPDX-License-Identifier: Apache-2.0
// Models of every framework on the same real digits, trained once per cache folder. Heavy frameworks
// share two environments: what does not need PyTorch, and what does.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ensurePythonEnvironment } from '../../src/services/index.ts';
import { trainedDigits } from './digits.ts';

const root = resolve(import.meta.dirname, '../..');

/** Extras of the environments, each of which stands in for those with fewer. */
export const WITHOUT_TORCH = ['onnx', 'sklearn', 'tensorflow', 'xgboost'];
export const WITH_TORCH = ['huggingface', 'torch'];

export type Framework = 'sklearn' | 'pytorch' | 'tensorflow' | 'onnx' | 'xgboost';

/** Why tests of heavy frameworks are left out, if `BEAMBRIDGE_SKIP_HEAVY` says so: they download 6 GB. */
export const SKIP_HEAVY = process.env.BEAMBRIDGE_SKIP_HEAVY
  ? 'BEAMBRIDGE_SKIP_HEAVY is set: TensorFlow, PyTorch and Hugging Face are not installed'
  : false;

/** A trained model: the folder of its files, all digits, and a Python that has its framework. */
export interface Trained {
  folder: string;
  all: string;
  python: string;
}

export async function trainedModel(framework: Framework): Promise<Trained> {
  const { all } = await trainedDigits();
  const extras = framework === 'pytorch' ? WITH_TORCH : WITHOUT_TORCH;
  const { python } = await ensurePythonEnvironment({ extras });
  const folder = join(root, '.cache/test/models', framework);
  if (!existsSync(folder)) {
    const scratch = `${folder}-${process.pid}`;
    mkdirSync(scratch, { recursive: true });
    const program = join(root, 'examples/support/train_digits.py');
    execFileSync(python, [program, framework, all, scratch], { stdio: ['ignore', 'pipe', 'pipe'] });
    try {
      renameSync(scratch, folder);
    } catch {
      rmSync(scratch, { recursive: true }); // Another test file was first.
    }
  }
  return { folder, all, python };
}

/** What the framework itself says of all digits, in their order. */
export function predictedDirectly<T>(framework: Framework, { python, all, folder }: Trained): T[] {
  const program = join(root, 'test/fixtures/predict_digits.py');
  const args = [program, framework, all, folder];
  const stdio = ['ignore', 'pipe', 'pipe'] as ('ignore' | 'pipe')[];
  return JSON.parse(execFileSync(python, args, { encoding: 'utf8', stdio }));
}
