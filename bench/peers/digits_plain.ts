// SPDX-License-Identifier: Apache-2.0
// The digits job by hand: what a program for this one job alone takes. Node reads, parses and writes; a
// Python child, started first, scores (digits_plain.py). Whatever is a pipeline's business (other
// sources, windows, failures, bounded memory) is left out.
//
//   digits_plain.mjs INPUT OUTPUT MODEL PYTHON SCORER [--beam]

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { isData, parseDigit } from '../../examples/support/digits.ts';

const BATCH = 4096;

const [, , input = '', output = '', model = '', python = '', scorer = '', ...options] =
  process.argv;
const child = spawn(python, [scorer, model, ...options], { stdio: ['pipe', 'pipe', 'inherit'] });
const answers: Buffer[] = [];
child.stdout.on('data', (chunk: Buffer) => answers.push(chunk));
const ended = once(child, 'close');

const keys: number[] = [];
let width = 0;
let batch: Int8Array | undefined;
let filled = 0;
const send = (): void => {
  if (!batch || filled === 0) return;
  const head = new Uint32Array([filled / width, width]);
  child.stdin.write(new Uint8Array(head.buffer));
  child.stdin.write(new Uint8Array(batch.buffer, 0, filled));
  batch = undefined;
  filled = 0;
};
for await (const line of createInterface({ input: createReadStream(input) })) {
  if (!isData(line)) continue;
  const { key, value } = parseDigit(line);
  keys.push(key);
  width = value.length;
  batch ??= new Int8Array(BATCH * width);
  batch.set(value, filled);
  filled += width;
  if (filled === batch.length) send();
}
send();
child.stdin.end();
await ended;
const bytes = new Uint8Array(Buffer.concat(answers)).buffer;
const predicted = new BigInt64Array(bytes);
let text = '';
for (let i = 0; i < keys.length; i++) text += `${keys[i]},${predicted[i]}\n`;
writeFileSync(`${output}-00000-of-00001`, text);
