// SPDX-License-Identifier: Apache-2.0
// Streams whose queue is never empty for a number of seconds: how late panes and timers come.

import { setTimeout as delay } from 'node:timers/promises';
import {
  createRunner,
  type DoFn,
  fixedWindows,
  fromAsyncIterable,
  groupByKey,
  type KV,
  KVCoder,
  parDo,
  processingTimeTimer,
  pythonTransform,
  reshuffle,
  StrUtf8Coder,
  VarIntCoder,
  valueState,
  windowInto,
  withCoder,
} from 'beambridge';
import { string } from 'beambridge/schema';

/** Elements of a window; they have the numbers from 0 as timestamps, in milliseconds. */
const WINDOW = 250;
const TIMER_MS = 200;
const KEYS = 10;
/** So many wait at any time. */
const AHEAD = 3000;

const runner = () => createRunner({ runner: 'node', progress: false });

/** What is never waited for, while fewer than {@link AHEAD} of it wait in the pipeline. */
async function* endless(seconds: number, processed: () => number) {
  const until = performance.now() + seconds * 1000;
  for (let i = 0; performance.now() < until; i++) {
    while (i > processed() + AHEAD) await delay(1);
    yield i;
  }
}

type Context = ReturnType<typeof context>;
const context = () => ({ due: valueState<number>(), timer: processingTimeTimer() });

/** A timer 200 ms ahead for each key, set again when it has fired. */
class Timers implements DoFn<KV<number, number>, number, Context> {
  readonly beamName = 'timers';

  async process(_: KV<number, number>, { due, timer }: Context) {
    if ((await due.read()) !== undefined) return [];
    const at = Date.now() + TIMER_MS;
    due.write(at);
    timer.set(at);
    return [];
  }

  async onTimer(_: unknown, { due }: Context) {
    const at = await due.read();
    due.clear();
    return [Date.now() - at!];
  }
}

export async function busyTypeScript(seconds: number) {
  let processed = 0;
  let panes = 0;
  let timers = 0;
  let paneLag = 0;
  let timerLag = 0;
  /** When the last element of a window was done with. */
  const doneAt = new Map<number, number>();
  await runner().run((root) => {
    const numbers = root
      .apply(fromAsyncIterable(() => endless(seconds, () => processed), { timestamp: (i) => i }))
      .apply(reshuffle())
      .map(async (i) => {
        await delay(1);
        processed += 1;
        if (i % WINDOW === WINDOW - 1) doneAt.set((i - (i % WINDOW)) / WINDOW, performance.now());
        return i;
      });
    numbers
      .map((i) => ({ key: Math.floor(i / WINDOW), value: i }))
      .apply(windowInto(fixedWindows(WINDOW / 1000)))
      .apply(groupByKey())
      .map(({ key }) => {
        panes += 1;
        const done = doneAt.get(key);
        if (done !== undefined) paneLag = Math.max(paneLag, performance.now() - done);
      });
    numbers
      .map((i) => ({ key: i % KEYS, value: i }))
      .apply(parDo(new Timers(), context()))
      .map((lag) => {
        timers += 1;
        timerLag = Math.max(timerLag, lag);
      });
  });
  return {
    elements: processed,
    panes,
    timers,
    'pane lag seconds': paneLag / 1000,
    'timer lag seconds': timerLag / 1000,
  };
}

/** The same timers in Python, where an element takes a millisecond. */
const PYTHON_TIMERS = `
import time
import apache_beam as beam
from apache_beam.coders import FloatCoder
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import ReadModifyWriteStateSpec, TimerSpec, on_timer

class Later(beam.DoFn):
  DUE = ReadModifyWriteStateSpec('due', FloatCoder())
  TIMER = TimerSpec('timer', TimeDomain.REAL_TIME)

  def process(self, element, due=beam.DoFn.StateParam(DUE), timer=beam.DoFn.TimerParam(TIMER)):
    time.sleep(0.001)
    if not due.read():
      at = time.time() + ${TIMER_MS / 1000}
      due.write(at)
      timer.set(at)
    yield 'element'

  @on_timer(TIMER)
  def fire(self, due=beam.DoFn.StateParam(DUE)):
    lag = time.time() - due.read()
    due.clear()
    yield f'lag {lag}'

class Timers(beam.PTransform):
  def expand(self, pcoll):
    return pcoll | beam.ParDo(Later()).with_output_types(str)
`;

export async function busyPython(seconds: number) {
  let processed = 0;
  let timers = 0;
  let timerLag = 0;
  await runner().run((root) =>
    root
      .apply(fromAsyncIterable(() => endless(seconds, () => processed)))
      .map((i) => ({ key: `key${i % KEYS}`, value: i }))
      .apply(withCoder(new KVCoder(new StrUtf8Coder(), new VarIntCoder())))
      .apply(pythonTransform('__constructor__', [], { source: PYTHON_TIMERS }, { output: string }))
      .map((text) => {
        if (text === 'element') processed += 1;
        else {
          timers += 1;
          timerLag = Math.max(timerLag, Number(text.split(' ')[1]));
        }
      }),
  );
  return { elements: processed, timers, 'timer lag seconds': timerLag };
}
