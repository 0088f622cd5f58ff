// SPDX-License-Identifier: Apache-2.0
// Ten million elements of three million keys through a grouping: grouping_beambridge.mjs ELEMENTS KEYS.

import { create, createRunner, groupByKey } from 'beambridge';

const [elements = 0, keys = 0] = process.argv.slice(2).map(Number);
const PART = 10_000;
const runner = createRunner({ runner: 'node', progress: false });
let groups = 0;
let values = 0;
let sum = 0;
const began = performance.now();
await runner.run((root) =>
  root
    .apply(create(Array.from({ length: elements / PART }, (_, i) => i)))
    .flatMap(function* (part) {
      for (let i = part * PART; i < (part + 1) * PART; i++) {
        // Neighbours have keys far from one another.
        yield { key: (Math.imul(i, 2654435761) >>> 0) % keys, value: i };
      }
    })
    .apply(groupByKey())
    .map(({ value }) => {
      groups += 1;
      for (const one of value) {
        values += 1;
        sum += one;
      }
    }),
);
if (values !== elements || sum !== (elements * (elements - 1)) / 2) {
  throw new Error(`${values} values came out of ${elements}, with the sum ${sum}`);
}
console.log(`groups: ${groups}`);
console.log(`pipeline seconds: ${((performance.now() - began) / 1000).toFixed(3)}`);
