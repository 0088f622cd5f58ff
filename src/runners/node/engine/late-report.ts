// SPDX-License-Identifier: Apache-2.0
// Tells of elements that a grouping dropped because they came too late: counters as Beam's Java
// runners have them, and one warning.

import { ByteWriter, getLogger } from '../../../base/index.ts';
import { urns } from '../../../proto/index.ts';
import type { Dropped } from './grouping/index.ts';
import type { Surroundings } from './node.ts';

const log = getLogger('node');

/** Names of the counters: the class that counts in Java's runners, and what it counts. */
const COUNTERS = {
  late: ['org.apache.beam.runners.core.LateDataDroppingDoFnRunner', 'droppedDueToLateness'],
  closed: ['org.apache.beam.runners.core.ReduceFnRunner', 'droppedDueToClosedWindow'],
} as const;

const HINTS = {
  late: 'came after the end of their window and its allowedLateness',
  closed: 'came after the trigger of their window had fired for the last time',
};

export class LateReport {
  private readonly told = { late: 0, closed: 0 };
  private warned = false;

  constructor(
    private readonly transformId: string,
    /** The transform's unique name. */
    private readonly name: string,
    private readonly around: Pick<Surroundings, 'count'>,
  ) {}

  /** Looks at what was dropped so far. */
  update(dropped: Dropped): void {
    if (dropped.late > this.told.late) this.tell('late', dropped.late);
    if (dropped.closed > this.told.closed) this.tell('closed', dropped.closed);
  }

  private tell(why: keyof Dropped, count: number): void {
    const [namespace, name] = COUNTERS[why];
    const payload = new ByteWriter(16);
    payload.signedVarint(count - this.told[why]);
    this.told[why] = count;
    this.around.count([
      {
        urn: urns.MonitoringInfoSpecs_Enum.USER_SUM_INT64,
        type: urns.MonitoringInfoTypeUrns_Enum.SUM_INT64_TYPE,
        labels: { PTRANSFORM: this.transformId, NAMESPACE: namespace, NAME: name },
        payload: payload.take(),
      },
    ]);
    if (this.warned) return;
    this.warned = true;
    log.warn(
      `${this.name} drops elements that ${HINTS[why]}; the metric ${name} counts them, each once for each of its windows`,
    );
  }
}
