// SPDX-License-Identifier: Apache-2.0
// The pipeline of the streaming run: readings, a scikit-learn model, sliding windows with early and
// late panes, and state and timers behind both.

import type { KV, Window } from '../../../src/coders/index.ts';
import {
  afterCount,
  afterProcessingTime,
  afterWatermark,
  bagState,
  combinePerKey,
  combiningState,
  count,
  type DoFn,
  eventTimeTimer,
  fromAsyncIterable,
  groupByKey,
  paneInfoParam,
  parDo,
  processingTimeTimer,
  type Root,
  slidingWindows,
  timestampParam,
  valueState,
  windowInto,
  windowParam,
} from '../../../src/index.ts';
import { RunInference } from '../../../src/ml/index.ts';
import { array, int64 } from '../../../src/schema/index.ts';
import {
  ALLOWED_LATENESS,
  type EventsOptions,
  MAX_DELAY,
  REMIND_AFTER,
  type Reading,
  readings,
  WINDOW_PERIOD_SECONDS,
  WINDOW_SECONDS,
} from './events.ts';
import type { Ledger, Total } from './ledger.ts';

export interface StreamOptions {
  events: EventsOptions;
  /** A pickled scikit-learn model. */
  model: string;
  /** The pixels of each row. */
  rows: readonly (readonly number[])[];
  ledger: Ledger;
}

const HANDLER = 'apache_beam.ml.inference.sklearn_inference.SklearnModelHandlerNumpy';

/** How many there are, and the sum of them. */
const totals = {
  beamName: 'totals',
  createAccumulator: (): Total => ({ count: 0, sum: 0 }),
  addInput: ({ count, sum }: Total, id: number): Total => ({ count: count + 1, sum: sum + id }),
  mergeAccumulators(all: Iterable<Total>): Total {
    const merged = { count: 0, sum: 0 };
    for (const { count, sum } of all) {
      merged.count += count;
      merged.sum += sum;
    }
    return merged;
  },
  extractOutput: (total: Total) => total,
};

export function streamingPipeline({ events, model, rows, ledger }: StreamOptions) {
  return (root: Root) => {
    const scored = root
      .apply(
        fromAsyncIterable<Reading>((signal) => readings(events, signal), {
          timestamp: ({ at }) => at,
          maxDelay: MAX_DELAY,
        }),
      )
      .map(({ id }) => ({ key: id, value: [...rows[id % rows.length]!] }))
      .apply(
        RunInference.ofKVs(HANDLER, { example: array(int64), inference: int64 }, int64).withKwarg(
          'model_uri',
          model,
        ),
      )
      .map(({ key: id, value: { inference: digit } }) => {
        ledger.onScored(id, digit);
        return { key: digit, value: id };
      });
    const trigger = afterWatermark()
      .withEarlyFirings(afterProcessingTime(1))
      .withLateFirings(afterCount(1));
    const windows = slidingWindows(WINDOW_SECONDS, WINDOW_PERIOD_SECONDS);
    const lateness = { trigger, allowedLateness: ALLOWED_LATENESS };
    const where = { window: windowParam(), pane: paneInfoParam() };
    const panes = scored
      .apply(windowInto(windows, { ...lateness, accumulationMode: 'accumulating' }))
      .apply(combinePerKey(totals));
    panes.map(({ key, value }, { window, pane }) => {
      ledger.onTotal(key, endOf(window.lookup()), value, pane.lookup());
    }, where);
    panes.apply(parDo(settling(ledger), settlingContext()));
    scored
      .apply(windowInto(windows, { ...lateness, accumulationMode: 'discarding' }))
      .apply(groupByKey())
      .map(({ key, value }, { window }) => {
        ledger.onNews(key, endOf(window.lookup()), value);
      }, where);
    scored.apply(parDo(reminding(ledger), remindingContext()));
  };
}

/** The end of an interval, which is one millisecond after its last timestamp. */
function endOf(window: Window): number {
  return window.maxTimestamp() + 1;
}

const settlingContext = () => ({
  last: valueState<Total>(),
  over: eventTimeTimer(),
  window: windowParam(),
});

/** Keeps what the latest pane of a window said, and tells it when no more can come. */
function settling(
  ledger: Ledger,
): DoFn<KV<number, Total>, never, ReturnType<typeof settlingContext>> {
  return {
    process({ value }, { last, over, window }) {
      last.write(value);
      over.set(window.lookup().maxTimestamp() + ALLOWED_LATENESS);
    },
    async onTimer({ key }, { last, window }) {
      ledger.onSettled(key, endOf(window.lookup()), (await last.read()) ?? { count: 0, sum: 0 });
    },
  };
}

const remindingContext = () => ({
  waiting: bagState(int64),
  running: combiningState(count),
  flush: processingTimeTimer(),
  reminder: eventTimeTimer(),
  at: timestampParam(),
});

/** Sets a timer for each reading, and tells now and then which ones came since. */
function reminding(
  ledger: Ledger,
): DoFn<KV<number, number>, never, ReturnType<typeof remindingContext>> {
  return {
    process({ value: id }, { waiting, running, flush, reminder, at }) {
      waiting.add(id);
      running.add(id);
      flush.set(Math.ceil((Date.now() + 1) / 1000) * 1000);
      reminder.set(at.lookup() + REMIND_AFTER, { tag: String(id) });
    },
    async onTimer({ timer, tag, key, fireTimestamp }, { waiting, running }) {
      if (timer === 'reminder') return ledger.onReminder(Number(tag), fireTimestamp);
      ledger.onFlush(key, await waiting.read(), await running.read());
      waiting.clear();
    },
  };
}
