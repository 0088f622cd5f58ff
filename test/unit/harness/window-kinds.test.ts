// SPDX-License-Identifier: Apache-2.0
// Windows that a user's code makes are of the kind of their PCollection, on each runner.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BeamBridgeError } from '../../../src/base/index.ts';
import {
  GlobalWindow,
  GlobalWindowCoder,
  IntervalWindow,
  NO_FIRING,
  type Window,
} from '../../../src/coders/index.ts';
import type { PCollection, Root } from '../../../src/pipeline/index.ts';
import { createRunner } from '../../../src/runners/index.ts';
import {
  create,
  fixedWindows,
  groupByKey,
  parDo,
  tagged,
  windowInto,
} from '../../../src/transforms/index.ts';

async function outputs(
  build: (root: Root) => PCollection<unknown>,
  forceEncoding: boolean,
): Promise<unknown[]> {
  const given: unknown[] = [];
  await createRunner({ runner: 'node', progress: false, forceEncoding }).run((root) => {
    build(root).map((one) => {
      given.push(one);
    });
  });
  return given;
}

const refused = (message: RegExp, transform: RegExp) => (error: unknown) => {
  assert.ok(error instanceof BeamBridgeError);
  assert.equal(error.code, 'CODER_MISMATCH');
  assert.match(error.shortMessage, message);
  assert.match(error.transform ?? '', transform);
  assert.match(error.hint ?? '', /windowParam\(\)/);
  return true;
};

/** Gives one key-value for each window at the end of its bundle. */
class Ending {
  constructor(
    private readonly windows: readonly Window[],
    private readonly tag?: string,
  ) {}
  process() {}
  finishBundle() {
    return this.windows.map((window, value) => {
      const element = {
        value: { key: 'k', value },
        timestamp: 0,
        windows: [window],
        pane: NO_FIRING,
      };
      return (this.tag ? tagged(this.tag, element) : element) as never;
    });
  }
}

for (const forceEncoding of [false, true]) {
  const how = forceEncoding ? 'encoded' : 'by reference';

  test(`finishBundle: a window of another kind is refused, ${how}`, async () => {
    const interval = new IntervalWindow(0, 10);
    const inGlobal = (root: Root) =>
      root
        .apply(create([1]))
        .apply(parDo<number, { key: string; value: number }>(new Ending([interval])))
        .apply(groupByKey());
    await assert.rejects(
      outputs(inGlobal, forceEncoding),
      refused(/output of finishBundle.*global_window cannot encode IntervalWindow/, /Ending/),
    );
    const inFixed = (root: Root) =>
      root
        .apply(create([1]))
        .apply(windowInto(fixedWindows(10)))
        .apply(parDo<number, unknown>(new Ending([interval, GlobalWindow.INSTANCE])));
    await assert.rejects(
      outputs(inFixed, forceEncoding),
      refused(/output of finishBundle.*interval_window cannot encode GlobalWindow/, /Ending/),
    );
    const besides = (root: Root) =>
      root
        .apply(create([1]))
        .apply(
          parDo<number, unknown>(new Ending([interval], 'other')).withOutputs<
            Record<'main' | 'other', unknown>
          >({ main: 'main', tags: ['other'] }),
        ).other;
    await assert.rejects(
      outputs(besides, forceEncoding),
      refused(/output of finishBundle/, /Ending/),
    );
  });

  test(`finishBundle: windows of the right kind pass, ${how}`, async () => {
    const build = (root: Root) =>
      root
        .apply(create([1]))
        .apply(windowInto(fixedWindows(10)))
        .apply(
          parDo<number, { key: string; value: number }>(
            new Ending([new IntervalWindow(0, 10_000), new IntervalWindow(10_000, 20_000)]),
          ),
        )
        .apply(groupByKey());
    const found = await outputs(build, forceEncoding);
    assert.equal(found.length, 2);
  });

  test(`assignWindows: windows that the function's own coder does not write are refused, ${how}`, async () => {
    const build = (root: Root) =>
      root.apply(create([1])).apply(
        windowInto<number>({
          assignWindows: () => [new IntervalWindow(0, 10) as Window],
          windowCoder: () => new GlobalWindowCoder(),
          toProto: () => undefined,
          isMerging: () => false,
          assignsToOneWindow: () => true,
        }),
      );
    await assert.rejects(
      outputs(build, forceEncoding),
      refused(/by assignWindows.*global_window cannot encode IntervalWindow/, /windowInto/),
    );
  });
}
