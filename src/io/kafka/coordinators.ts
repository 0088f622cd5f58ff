// SPDX-License-Identifier: Apache-2.0
// The brokers that keep transactions and groups: which it is moves with the cluster, and they may be busy with the end
// of the transaction before.

import { nap } from '../../base/index.ts';
import type { Cluster } from './connection.ts';
import { hasApiCode, patiently } from './failures.ts';
import type { KafkaPackage, ProducerClient } from './package.ts';

/** How often it is asked whether the end of the transaction before has reached all partitions. Milliseconds. */
const BUSY_PAUSE_MS = 10;
const BUSY_MS = 10_000;

/** As Kafka's protocol numbers them. */
const KINDS = { group: 0, transaction: 1 } as const;

/** Codes of Kafka's protocol: a transaction is about to end, or offsets are in one. */
const BUSY = [51, 88];

export class Coordinators {
  private readonly known = new Map<string, number>();

  /** @param judged - an error that no patience mends, or the one that it was given */
  constructor(
    private readonly pkg: KafkaPackage,
    private readonly client: ProducerClient,
    private readonly cluster: Cluster,
    private readonly judged: (what: string, error: unknown) => unknown,
  ) {}

  /**
   * Asks a coordinator until it answers, for as long as a cluster may be away.
   *
   * @param key - the transactional id, or the group
   */
  ask<T>(
    what: string,
    kind: keyof typeof KINDS,
    key: string,
    work: (broker: unknown) => Promise<T>,
  ): Promise<T> {
    return patiently(what, this.cluster, async () => {
      try {
        const broker = await this.connection(await this.find(kind, key));
        return await whenNotBusy(() => work(broker));
      } catch (error) {
        this.known.delete(`${kind}:${key}`);
        this.client.clearMetadata();
        throw this.judged(what, error);
      }
    });
  }

  private async find(kind: keyof typeof KINDS, key: string): Promise<number> {
    const name = `${kind}:${key}`;
    const known = this.known.get(name);
    if (known !== undefined) return known;
    const { brokers } = await this.client.metadata({ topics: [] });
    let failure: unknown = new Error('the cluster names no broker');
    for (const node of brokers.keys()) {
      try {
        const broker = await this.connection(node);
        const { coordinators } = await this.pkg.findCoordinatorV4.api.async(broker, KINDS[kind], [
          key,
        ]);
        const found = coordinators[0]!.nodeId;
        this.known.set(name, found);
        return found;
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  async connection(node: number): Promise<unknown> {
    const broker = (await this.client.connectToBrokers([node])).get(node);
    if (broker !== undefined) return broker;
    throw Object.assign(new Error(`broker ${node} is not there`), { code: 'PLT_KFK_NETWORK' });
  }
}

/** The end of the transaction before may not have reached all its partitions, or groups, yet. */
async function whenNotBusy<T>(work: () => Promise<T>): Promise<T> {
  const until = performance.now() + BUSY_MS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!hasApiCode(error, BUSY) || performance.now() > until) throw error;
      await nap(BUSY_PAUSE_MS);
    }
  }
}
