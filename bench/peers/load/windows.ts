// SPDX-License-Identifier: Apache-2.0
// A stream with an element in each of very many windows, that keeps state and reads a side input there:
// what belongs to a window goes when the window is over.

import {
  createRunner,
  type DoFn,
  fixedWindows,
  fromAsyncIterable,
  type KV,
  parDo,
  singletonSideInput,
  valueState,
  windowInto,
} from 'beambridge';

const WINDOW_MS = 10;

type Context = ReturnType<typeof context>;
const context = () => ({ seen: valueState<number>() });

class CountSeen implements DoFn<KV<string, number>, number, Context> {
  readonly beamName = 'count';

  async process({ value }: KV<string, number>, { seen }: Context) {
    if ((await seen.read()) !== undefined) throw new Error('state of another window');
    seen.write(value);
    return [value];
  }
}

export async function expiredWindows(count: number) {
  let done = 0;
  let found = 0;
  async function* elements() {
    for (let i = 0; i < count; i++) yield i;
  }
  await createRunner({ runner: 'node', progress: false }).run((root) => {
    const windows = root
      .apply(fromAsyncIterable(elements, { timestamp: (i) => i * WINDOW_MS }))
      .apply(windowInto(fixedWindows(WINDOW_MS / 1000)));
    windows
      .map((value) => ({ key: 'key', value }))
      .apply(parDo(new CountSeen(), context()))
      .map(
        (value, { same }) => {
          done += 1;
          if (same.lookup() === value) found += 1;
        },
        { same: singletonSideInput(windows) },
      );
  });
  if (done !== count || found !== count)
    throw new Error(`${done} done, ${found} found of ${count}`);
  return {};
}
