// SPDX-License-Identifier: Apache-2.0
// Values of a key in batches of a size, for what takes many at a time: a service, a database.

import { BeamBridgeError, checkOptionNames, type OptionNames } from '../base/index.ts';
import { type Coder, describeValue, IterableCoder, type KV, KVCoder } from '../coders/index.ts';
import {
  type BagState,
  bagState,
  type DoFn,
  eventTimeTimer,
  type PCollection,
  type PTransformClass,
  processingTimeTimer,
  type TimerFiring,
  type TimerParam,
  type ValueState,
  valueState,
  windowParam,
} from '../pipeline/index.ts';
import { int64 } from '../schema/index.ts';
import { withKeyCoder } from './group-by-key.ts';
import { doFnStep, transform } from './transform.ts';

/** Options of {@link groupIntoBatches}. */
export interface GroupIntoBatchesOptions {
  /**
   * How long, in milliseconds of processing time, a batch waits to be full; 0 for as long as its window.
   * @default 0
   */
  maxBufferingDurationMs?: number;
}

const OPTIONS: OptionNames<GroupIntoBatchesOptions> = { maxBufferingDurationMs: true };

/**
 * The values of each key in batches of `size`, separately in each window: `{ key, value: [ … ] }`. A batch
 * that is not full comes when its window ends, or when it has waited for `maxBufferingDurationMs`. No
 * value waits for another key, and the order of values is not kept.
 *
 * Source: Beam's GroupIntoBatches
 *
 * @param size - values in a full batch
 * @throws `INVALID_ARGUMENT` for a size that is no positive whole number, and a duration below 0
 * @throws `NON_DETERMINISTIC_KEY` as `groupByKey` does
 * @throws `UNSUPPORTED` for windows that merge, which have no state
 *
 * @example
 * ```ts
 * rows.map((row) => ({ key: row.table, value: row })).apply(groupIntoBatches(500))
 *   .map(({ key, value }) => insert(key, value));
 * ```
 */
export function groupIntoBatches<K, V>(
  size: number,
  options: GroupIntoBatchesOptions = {},
): PTransformClass<PCollection<KV<K, V>>, PCollection<KV<K, V[]>>> {
  checkOptionNames('groupIntoBatches', options, OPTIONS);
  const { maxBufferingDurationMs: duration = 0 } = options;
  if (!Number.isSafeInteger(size) || size < 1) {
    throw invalid('the size', size, 'Give a whole number of values, 1 or more.');
  }
  if (typeof duration !== 'number' || !(duration >= 0 && duration < Infinity)) {
    throw invalid(
      'maxBufferingDurationMs',
      duration,
      'Give a number of milliseconds, or 0 to wait for the end of the window.',
    );
  }
  return transform('groupIntoBatches', (input) => {
    const keyed = withKeyCoder(input);
    const { key, value } = keyed.coder as unknown as KVCoder<K, V>;
    const batches = new IterableCoder(value) as Coder<unknown> as Coder<V[]>;
    const context: Context<V> = {
      values: bagState(value),
      count: valueState(int64),
      windowEnd: eventTimeTimer(),
      patience: processingTimeTimer(),
      window: windowParam(),
    };
    return keyed.apply(
      doFnStep('batch', new Batches<K, V>(size, duration), new KVCoder(key, batches), context),
    );
  });
}

interface Context<V> {
  readonly values: BagState<V>;
  readonly count: ValueState<number>;
  readonly windowEnd: TimerParam;
  readonly patience: TimerParam;
  readonly window: ReturnType<typeof windowParam>;
}

class Batches<K, V> implements DoFn<KV<K, V>, KV<K, V[]>, Context<V>> {
  readonly beamName = 'batch';

  constructor(
    private readonly size: number,
    private readonly duration: number,
  ) {}

  async process({ key, value }: KV<K, V>, context: Context<V>): Promise<KV<K, V[]>[]> {
    const { values, count, windowEnd, patience, window } = context;
    const waiting = (await count.read()) ?? 0;
    values.add(value);
    if (waiting + 1 >= this.size) {
      if (waiting > 0) {
        windowEnd.clear();
        if (this.duration > 0) patience.clear();
      }
      return this.flush(key, context);
    }
    count.write(waiting + 1);
    if (waiting === 0) {
      windowEnd.set(window.lookup().maxTimestamp());
      if (this.duration > 0) patience.setRelative(this.duration);
    }
    return [];
  }

  /** Clears the other timer only, if there is one: a runner may fire again what is cleared as it fires. */
  onTimer({ key, timer }: TimerFiring<K>, context: Context<V>): Promise<KV<K, V[]>[]> {
    if (timer === 'patience') context.windowEnd.clear();
    else if (this.duration > 0) context.patience.clear();
    return this.flush(key, context);
  }

  private async flush(key: K, { values, count }: Context<V>): Promise<KV<K, V[]>[]> {
    const batch = await values.read();
    values.clear();
    count.clear();
    return batch.length > 0 ? [{ key, value: batch }] : [];
  }
}

function invalid(what: string, given: unknown, hint: string): BeamBridgeError {
  return new BeamBridgeError(
    'INVALID_ARGUMENT',
    `groupIntoBatches: ${what} is ${describeValue(given)}`,
    { hint },
  );
}
