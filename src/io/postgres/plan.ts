// SPDX-License-Identifier: Apache-2.0
// Finds the ranges of a read, once it is known that the columns are what was declared.

import type { DoFn } from '../../pipeline/index.ts';
import { rangesOf } from './ranges.ts';
import type { ReadRange } from './read-range.ts';
import { columnTypes, fieldReaders, type ReadSpec } from './read-spec.ts';
import type { Session } from './session.ts';
import { exportSnapshot, openReading } from './snapshot.ts';

export class PlanRanges implements DoFn<Uint8Array, ReadRange> {
  /** Those whose snapshots are read. */
  private readonly sessions = new Set<Session>();

  constructor(private readonly spec: ReadSpec) {}

  setup(): void {}

  async process(): Promise<ReadRange[]> {
    const { spec } = this;
    const session = await openReading(spec.of, spec.options, null);
    // Its locks keep the table what it is, too: a TRUNCATE would show in every snapshot.
    this.sessions.add(session);
    fieldReaders(spec, await columnTypes(session, spec));
    const conditions = await rangesOf(session, spec);
    const isShared = spec.isOneSnapshot && conditions.length > 1;
    const snapshot = isShared ? await exportSnapshot(session, spec.of) : null;
    if (isShared) session.unref();
    else await this.end(session);
    return conditions.map((condition, at) => ({ number: at + 1, condition, snapshot }));
  }

  private async end(session: Session): Promise<void> {
    this.sessions.delete(session);
    await session.close();
  }

  async teardown(): Promise<void> {
    await Promise.all([...this.sessions].map((session) => this.end(session)));
  }
}
