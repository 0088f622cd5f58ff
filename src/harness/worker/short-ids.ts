// SPDX-License-Identifier: Apache-2.0
// Metrics are reported again and again: runners that like it so get a short id and the value alone,
// and ask once what the id stands for. Prism keeps one table of them for all workers of a job, so an id
// of ours must be no other worker's.

import type { MonitoringInfo } from '../engine/index.ts';

type Description = Omit<MonitoringInfo, 'payload'>;

let tables = 0;

export class ShortIds {
  private readonly prefix = `ts${process.pid.toString(36)}.${(++tables).toString(36)}.`;
  private readonly ids = new Map<string, string>();
  private readonly descriptions = new Map<string, Description>();

  /** Values by short id. */
  data(infos: readonly MonitoringInfo[]): Record<string, Uint8Array> {
    return Object.fromEntries(infos.map((info) => [this.idOf(info), info.payload]));
  }

  private idOf({ payload: _, ...description }: MonitoringInfo): string {
    const { urn, labels } = description;
    const key = JSON.stringify([urn, Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))]);
    let id = this.ids.get(key);
    if (id === undefined) {
      id = this.prefix + (this.ids.size + 1).toString(36);
      this.ids.set(key, id);
      this.descriptions.set(id, description);
    }
    return id;
  }

  /** What ids stand for; ids that were never given out are left out. */
  describe(ids: readonly string[]): Record<string, Description> {
    const found: Record<string, Description> = {};
    for (const id of ids) {
      const description = this.descriptions.get(id);
      if (description) found[id] = description;
    }
    return found;
  }
}
