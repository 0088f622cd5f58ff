// SPDX-License-Identifier: Apache-2.0
// One pipeline under load: load_beambridge.mjs CASE SIZE. What it measures by itself it prints, a line each.

import { busyPython, busyTypeScript } from './load/busy-streams.ts';
import { largeOutputs, manyElements } from './load/python-map.ts';
import { largeWaiting, waiting } from './load/waiting.ts';
import { expiredWindows } from './load/windows.ts';

const CASES: Readonly<Record<string, (size: number) => Promise<Record<string, number>>>> = {
  waiting,
  'large-waiting': largeWaiting,
  'busy-typescript': busyTypeScript,
  'busy-python': busyPython,
  'large-outputs': largeOutputs,
  'many-elements': manyElements,
  'expired-windows': expiredWindows,
};

const [, , name = '', size = ''] = process.argv;
const run = CASES[name];
if (!run) throw new Error(`no case ${name}; there are ${Object.keys(CASES).join(', ')}`);
const began = performance.now();
const said = await run(Number(size));
console.log(`pipeline seconds: ${((performance.now() - began) / 1000).toFixed(3)}`);
for (const [what, value] of Object.entries(said)) console.log(`${what}: ${value}`);
