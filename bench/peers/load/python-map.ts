// SPDX-License-Identifier: Apache-2.0
// Elements through a function in Python: small ones, and such that become far larger there.

import { create, createRunner, pythonCallable, pythonTransform, withSchema } from 'beambridge';
import { string } from 'beambridge/schema';

const GROWN = 200_000;

async function mapped(count: number, python: string, isRight: (text: string) => boolean) {
  const runner = createRunner({ runner: 'node', progress: false });
  let seen = 0;
  let first = 0;
  let began = performance.now();
  const run = (size: number) =>
    runner.run((root) =>
      root
        .apply(create(Array.from({ length: size }, (_, i) => String(i))))
        .apply(withSchema(string))
        .apply(pythonTransform('apache_beam.Map', [pythonCallable(python)], {}, { output: string }))
        .map((text) => {
          first ||= performance.now() - began;
          seen += 1;
          if (!isRight(text)) throw new Error(`a text of ${text.length} characters`);
        }),
    );
  // Python's own start is another matter.
  await run(1);
  seen = 0;
  first = 0;
  began = performance.now();
  await run(count);
  if (seen !== count) throw new Error(`${seen} of ${count} texts came out`);
  return { 'first seconds': first / 1000, seconds: (performance.now() - began) / 1000 };
}

/** Texts that become 200 kB each. */
export const largeOutputs = (count: number) =>
  mapped(count, `lambda text: text + ' ' * ${GROWN}`, (text) => text.length > GROWN);

/** Texts that stay small. */
export const manyElements = (count: number) =>
  mapped(count, "lambda text: text + '!'", (text) => text.endsWith('!'));
