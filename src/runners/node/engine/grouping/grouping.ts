// SPDX-License-Identifier: Apache-2.0
// The front of this room: chooses how to group, by what the windowing asks for.

import type { Instant, WindowedValue } from '../../../../coders/index.ts';
import type { MaybePromise } from '../../../../harness/index.ts';
import { BatchGroups, givesOnePane } from './batch-groups.ts';
import { type Dropped, type GroupingOptions, type Panes, rulesOf } from './options.ts';
import { TriggeredGroups } from './triggered-groups.ts';

/**
 * Beam's GroupByKey: takes elements `{ key, value }` and gives panes `{ key, value: values[] }`.
 *
 * A bounded grouping gives nothing before its input's watermark is at the end of time: early panes
 * are those for which all elements suffice, as no processing time passes within a batch.
 *
 * @throws BeamBridgeError `UNSUPPORTED` for retractions and unknown triggers; `INVALID_ARGUMENT` for
 *   merging windows without a function that merges them
 */
export class Grouping {
  private readonly groups: TriggeredGroups | BatchGroups;

  constructor(options: GroupingOptions) {
    const rules = rulesOf(options);
    this.groups =
      options.bounded && givesOnePane(rules)
        ? new BatchGroups(options, rules)
        : new TriggeredGroups(options, rules);
  }

  /** Takes elements, each in one or more windows. A promise while it writes to files. */
  add(
    block: readonly WindowedValue<unknown>[],
    watermark: Instant,
    now: Instant,
  ): MaybePromise<void> {
    return this.groups.add(block, watermark, now);
  }

  /** The panes that are due, in blocks of bounded size. Read it to its end before the next call. */
  fire(watermark: Instant, now: Instant): Panes {
    return this.groups.fire(watermark, now);
  }

  /** Whether {@link fire} has something to do. */
  due(watermark: Instant, now: Instant): boolean {
    return this.groups.due(watermark, now);
  }

  /** Takes notice that the watermark has come this far while nothing was due. */
  pass(watermark: Instant): void {
    this.groups.pass(watermark);
  }

  /**
   * The least timestamp that a pane of what is held may have, late panes aside; +Infinity when
   * nothing is held.
   */
  get hold(): Instant {
    return this.groups.hold;
  }

  /** When something is due by the clock; undefined when nothing is. */
  get nextProcessingTime(): Instant | undefined {
    return this.groups.nextProcessingTime;
  }

  /** Elements that came too late, and why. */
  get dropped(): Dropped {
    return this.groups.dropped;
  }

  /** Removes files, and forgets what is held. */
  close(): Promise<void> {
    return this.groups.close();
  }
}
