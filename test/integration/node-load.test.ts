// SPDX-License-Identifier: Apache-2.0
// The node runner under load, with Python: time passes although a queue is never empty, and what comes
// out of a bundle is bounded although it is much more than what went in.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { KVCoder, StrUtf8Coder, VarIntCoder } from '../../src/coders/index.ts';
import {
  create,
  createRunner,
  fromAsyncIterable,
  pythonCallable,
  pythonTransform,
  withCoder,
  withSchema,
} from '../../src/index.ts';
import { string } from '../../src/schema/index.ts';
import { stopHosts } from '../../src/services/index.ts';

after(() => stopHosts());

const runner = createRunner({ runner: 'node', progress: false });

/** A DoFn that sets one timer for each key, half a second ahead, and says when it fires. */
const TIMERS = `
import time
import apache_beam as beam
from apache_beam.coders import BooleanCoder
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import ReadModifyWriteStateSpec, TimerSpec, on_timer

class Later(beam.DoFn):
  SET = ReadModifyWriteStateSpec('set', BooleanCoder())
  TIMER = TimerSpec('timer', TimeDomain.REAL_TIME)

  def process(self, element, is_set=beam.DoFn.StateParam(SET), timer=beam.DoFn.TimerParam(TIMER)):
    time.sleep(0.001)
    if not is_set.read():
      is_set.write(True)
      timer.set(time.time() + 0.5)
    yield 'element'

  @on_timer(TIMER)
  def fire(self, key=beam.DoFn.KeyParam, now=beam.DoFn.TimestampParam):
    yield key

class Timers(beam.PTransform):
  def expand(self, pcoll):
    return pcoll | beam.ParDo(Later()).with_output_types(str)
`;

test('a timer of a Python stage fires although its queue is never empty', async () => {
  const fired = new Set<string>();
  let processed = 0;
  async function* endless() {
    for (let i = 0; fired.size < 3; i++) {
      while (i > processed + 3000 && fired.size < 3) await delay(5);
      yield { key: `key${i % 3}`, value: i };
    }
  }
  await runner.run((root) =>
    root
      .apply(fromAsyncIterable(endless))
      .apply(withCoder(new KVCoder(new StrUtf8Coder(), new VarIntCoder())))
      .apply(pythonTransform('__constructor__', [], { source: TIMERS }, { output: string }))
      .map((key) => {
        if (key === 'element') processed += 1;
        else fired.add(key);
      }),
  );
  assert.deepEqual([...fired].sort(), ['key0', 'key1', 'key2']);
});

test('outputs a thousand times as large as the inputs are handed on as they come', async () => {
  const MADE = 400;
  const source = pythonCallable("lambda text: text + ' ' * 200000");
  let seen = 0;
  // The greatest number that Python had made when one arrived here, beyond those that had.
  let ahead = 0;
  const counting = pythonCallable(`
def count(text, made=[0]):
  made[0] += 1
  return f'{made[0]},{text}'
`);
  await runner.run((root) =>
    root
      .apply(create(Array.from({ length: MADE }, (_, i) => String(i))))
      .apply(withSchema(string))
      .apply(pythonTransform('apache_beam.Map', [counting], {}, { output: string }))
      .apply(pythonTransform('apache_beam.Map', [source], {}, { output: string }))
      .map((text) => {
        seen += 1;
        assert.equal(text.length > 200_000, true);
        ahead = Math.max(ahead, Number(text.split(',', 1)) - seen);
      }),
  );
  assert.equal(seen, MADE);
  assert.ok(ahead <= MADE / 2, `${ahead} of ${MADE} were made before they were handed on`);
});
