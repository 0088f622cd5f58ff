// SPDX-License-Identifier: Apache-2.0
// The elements of an async generator, through a pipeline or not: source_beambridge.mjs pipeline|bare ELEMENTS.

import { createRunner, fromAsyncIterable } from 'beambridge';

const [, , way, size = ''] = process.argv;
const elements = Number(size);
let seen = 0;

async function* numbers() {
  for (let i = 0; i < elements; i++) yield i;
}

if (way === 'bare') {
  for await (const _ of numbers()) seen += 1;
} else {
  await createRunner({ runner: 'node', progress: false }).run((root) =>
    root
      .apply(fromAsyncIterable(numbers))
      .map((x) => x)
      .map(() => {
        seen += 1;
      }),
  );
}
if (seen !== elements) throw new Error(`${seen} of ${elements} elements came out`);
