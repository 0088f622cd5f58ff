// SPDX-License-Identifier: Apache-2.0
// The digits job several times in one program: digits_often INPUT OUTPUT MODEL RUNS. It prints what the fastest of
// the runs after the first took, and the processor time of this process in it.

import { createRunner } from 'beambridge';
import { readFromText, writeToText } from 'beambridge/io';
import { RunInference, sklearn } from 'beambridge/ml';
import { array, int64 } from 'beambridge/schema';
import { isData, parseDigit } from '../../examples/support/digits.ts';

const [input, output, modelUri, runs] = process.argv.slice(2) as [string, string, string, string];
const seconds: number[] = [];
const processor: number[] = [];

for (let i = 0; i < Number(runs); i++) {
  const used = process.cpuUsage();
  const began = performance.now();
  const model = sklearn({ modelUri, example: array(int64), inference: int64 });
  await createRunner({ runner: 'node', progress: false }).run((root) =>
    root
      .apply(readFromText(input))
      .filter(isData)
      .map(parseDigit)
      .apply(RunInference.ofKVs(model, int64))
      .map(({ key, value }) => `${key},${value.inference}`)
      .apply(writeToText(output)),
  );
  seconds.push((performance.now() - began) / 1000);
  const { user, system } = process.cpuUsage(used);
  processor.push((user + system) / 1e6);
}
console.log(`seconds: ${Math.min(...seconds.slice(1)).toFixed(4)}`);
console.log(`processor: ${Math.min(...processor.slice(1)).toFixed(4)}`);
