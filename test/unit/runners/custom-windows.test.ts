// SPDX-License-Identifier: Apache-2.0
// Windows of a type of one's own, whose coder no other SDK knows.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BeamBridgeError, type ByteReader, type ByteWriter } from '../../../src/base/index.ts';
import { IntervalWindowCoder, registerCoder, type Window } from '../../../src/coders/index.ts';
import type { PCollection, Root, WindowFn } from '../../../src/pipeline/index.ts';
import { createRunner } from '../../../src/runners/index.ts';
import {
  countPerElement,
  create,
  fixedWindows,
  windowInto,
} from '../../../src/transforms/index.ts';

class Colored implements Window {
  constructor(readonly color: number) {}
  maxTimestamp() {
    return 1000;
  }
}

const coder = (urn: string) => ({
  name: 'colored',
  deterministic: true,
  encode: (value: Colored, out: ByteWriter) => out.byte(value.color),
  decode: (input: ByteReader) => new Colored(input.byte()),
  spec: () => ({ urn }),
});

const colors = (urn: string): WindowFn<Colored> => ({
  assignWindows: (_timestamp, element) => [new Colored(Number(element) % 2)],
  windowCoder: () => coder(urn),
  toProto: () => undefined,
  isMerging: () => false,
  assignsToOneWindow: () => true,
});

const counted = (root: Root, windows: WindowFn<Colored>): PCollection<unknown> =>
  root
    .apply(create([1, 3, 2]))
    .apply(windowInto(windows))
    .map(() => 'x')
    .apply(countPerElement());

const refused = (message: RegExp, hint: RegExp) => (error: unknown) =>
  error instanceof BeamBridgeError &&
  error.code === 'UNSUPPORTED' &&
  message.test(error.message) &&
  hint.test(error.hint ?? '');

test('direct refuses windows that Python cannot read, and names the coder', async () => {
  await assert.rejects(
    createRunner({ runner: 'direct' }).run((root) => counted(root, colors('test:colored:direct'))),
    refused(
      /windows of coder colored.*windowInto|windowInto.*windows of coder colored/s,
      /IntervalWindowCoder/,
    ),
  );
});

test('node asks for registerCoder where the coder of a window is not registered', async () => {
  await assert.rejects(
    createRunner({ runner: 'node' }).run((root) => counted(root, colors('test:colored:unknown'))),
    refused(/test:colored:unknown/, /^Call registerCoder/),
  );
});

test('node runs windows of a registered coder', async () => {
  registerCoder('test:colored:known', () => coder('test:colored:known'));
  const counts: unknown[] = [];
  await createRunner({ runner: 'node' }).run((root) =>
    counted(root, colors('test:colored:known')).map((count) => {
      counts.push((count as { count: number }).count);
    }),
  );
  assert.deepEqual(counts.sort(), [1, 2]);
});

test('windows with the coder of interval windows need no registration', async () => {
  const own: WindowFn = {
    ...fixedWindows(1),
    assignWindows: (timestamp) => fixedWindows(1).assignWindows(timestamp),
    windowCoder: () => new IntervalWindowCoder() as never,
    toProto: () => undefined,
  };
  const counts: unknown[] = [];
  await createRunner({ runner: 'node' }).run((root) =>
    root
      .apply(create([1]))
      .apply(windowInto(own))
      .apply(countPerElement())
      .map((count) => {
        counts.push(count.count);
      }),
  );
  assert.deepEqual(counts, [1]);
});
