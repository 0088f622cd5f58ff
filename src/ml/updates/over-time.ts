// SPDX-License-Identifier: Apache-2.0
// Packed batches that wait for one another, from bundle to bundle. Their rows keep the pane that they came in:
// those of different panes wait apart, and what is held goes on with the pane of the element that set its timer.

import { randomUUID } from 'node:crypto';
import { BytesCoder, type Instant, type KV, KVCoder, StrUtf8Coder } from '../../coders/index.ts';
import type { PCollection } from '../../pipeline/index.ts';
import { bytes } from '../../schema/index.ts';
import {
  bagState,
  type DoFn,
  doFnStep,
  mapStep,
  paneInfoParam,
  processingTimeTimer,
  TimestampedValue,
  valueState,
} from '../../transforms/index.ts';
import { earliestOf, paneId, rowsOf } from '../packing/batch-rows.ts';

/** What waits for a window and pane. */
interface Waiting {
  readonly rows: number;
  readonly earliest: Instant;
  /** When it goes on, however few there are. */
  readonly due: Instant;
}

function waitingContext() {
  return {
    held: bagState<Uint8Array>(bytes),
    waiting: valueState<Waiting>(),
    timer: processingTimeTimer(),
  };
}
type Context = ReturnType<typeof waitingContext>;

/** Holds batches back until their rows are enough, or the first of them has waited so long. */
class Gather implements DoFn<KV<string, Uint8Array>, Uint8Array, Context> {
  constructor(
    private readonly enough: number,
    private readonly millis: number,
    private readonly join: (batches: readonly Uint8Array[]) => Uint8Array[],
  ) {}

  async process({ value: batch }: KV<string, Uint8Array>, context: Context) {
    const before = await context.waiting.read();
    const rows = (before?.rows ?? 0) + rowsOf(batch);
    if (rows >= this.enough) {
      context.timer.clear();
      return this.release(context, [batch]);
    }
    const earliest = Math.min(before?.earliest ?? Infinity, earliestOf(batch));
    const due = before?.due ?? context.timer.now() + this.millis;
    // The timer holds the watermark for what waits.
    if (earliest !== before?.earliest) context.timer.set(due, { outputTimestamp: earliest });
    context.held.add(batch);
    context.waiting.write({ rows, earliest, due });
    return [];
  }

  onTimer(_: unknown, context: Context) {
    return this.release(context, []);
  }

  private async release({ held, waiting }: Context, last: readonly Uint8Array[]) {
    const batches = [...(await held.read()), ...last];
    held.clear();
    waiting.clear();
    return this.join(batches).map((batch) => new TimestampedValue(batch, earliestOf(batch)));
  }
}

/** Packed batches, gathered over time. */
export function gatherOverTime(
  packed: PCollection<Uint8Array>,
  enough: number,
  millis: number,
  join: (batches: readonly Uint8Array[]) => Uint8Array[],
): PCollection<Uint8Array> {
  // One key for a pane: what is gathered for one model is worth more than what several workers gather each.
  const lane = randomUUID();
  const context = { pane: paneInfoParam() };
  const toLane = (value: Uint8Array, { pane }: typeof context): KV<string, Uint8Array> => ({
    key: `${lane} ${paneId(pane.lookup())}`,
    value,
  });
  return packed
    .apply(mapStep('Lane', toLane, new KVCoder(new StrUtf8Coder(), new BytesCoder()), context))
    .apply(
      doFnStep(
        'GatherOverTime',
        new Gather(enough, millis, join),
        new BytesCoder(),
        waitingContext(),
      ),
    );
}
