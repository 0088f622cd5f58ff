// SPDX-License-Identifier: Apache-2.0
// Elements that wait for a side input made of all of them.

import {
  combineGlobally,
  create,
  createRunner,
  type PCollection,
  type Root,
  singletonSideInput,
  sum,
} from 'beambridge';

const PART = 1000;
const LARGE = 500;

const runner = () => createRunner({ runner: 'node', progress: false });

function parts<T>(root: Root, count: number, make: (i: number) => T): PCollection<T> {
  return root
    .apply(create(Array.from({ length: count / PART }, (_, i) => i)))
    .flatMap(async (part) => Array.from({ length: PART }, (_, i) => make(part * PART + i)));
}

async function through<T>(count: number, make: (i: number) => T, numberOf: (made: T) => number) {
  const total = (count * (count - 1)) / 2;
  let seen = 0;
  await runner().run((root) => {
    const source = parts(root, count, make);
    const all = source.map(numberOf).apply(combineGlobally(sum));
    source.map(
      (_, { total: found }) => {
        seen += 1;
        if (found.lookup() !== total) throw new Error(`the sum was ${found.lookup()}`);
      },
      { total: singletonSideInput(all) },
    );
  });
  if (seen !== count) throw new Error(`${seen} of ${count} elements came out`);
  return {};
}

/** `count` numbers. */
export const waiting = (count: number) =>
  through(
    count,
    (i) => i,
    (i) => i,
  );

/** `count` texts of 500 bytes. */
export const largeWaiting = (count: number) =>
  through(
    count,
    (i) => Buffer.alloc(LARGE, `${i} `).toString('latin1'),
    (text) => Number(text.slice(0, text.indexOf(' '))),
  );
