// SPDX-License-Identifier: Apache-2.0
// What writing asks of a cluster. The producer is idempotent: a batch that is sent again, because nobody
// knows whether it arrived, is stored once.

import type { Cluster } from './connection.ts';
import { Connections } from './connections.ts';
import { isTooLarge, patiently } from './failures.ts';
import {
  type KafkaPackage,
  kafkaPackage,
  type ProducedRecord,
  type ProducerClient,
} from './package.ts';

/** How records are packed. */
export type KafkaCompression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

/** What writing asks of a cluster. */
export interface KafkaProducer {
  /** How many partitions a topic has. */
  partitions(topic: string): Promise<number>;
  /**
   * Stores records of one partition, in their order; one call at a time for each partition. Gives whether it
   * did: several may be too large together for the topic, and then none of them is stored.
   */
  send(records: ProducedRecord[]): Promise<boolean>;
  close(): Promise<void>;
}

/** The least number of tries that an idempotent producer of the package takes. */
const RETRIES = 2;
const RETRY_DELAY_MS = 200;
/** How long a broker may wait for its replicas. Milliseconds. */
const REPLICAS_MS = 20_000;

/** A producer on the package. */
export async function openProducer(
  cluster: Cluster,
  compression: KafkaCompression,
): Promise<KafkaProducer> {
  return new PackageProducer(await kafkaPackage(), cluster, compression);
}

class PackageProducer implements KafkaProducer {
  private readonly producer: ProducerClient;
  private readonly connections: Connections;
  private beginning: Promise<unknown> | undefined;

  constructor(
    pkg: KafkaPackage,
    private readonly cluster: Cluster,
    compression: KafkaCompression,
  ) {
    this.producer = new pkg.Producer({
      ...cluster.options,
      idempotent: true,
      compression,
      retries: RETRIES,
      retryDelay: RETRY_DELAY_MS,
      timeout: REPLICAS_MS,
    });
    this.connections = new Connections(this.producer, () => this.producer.close(true));
  }

  async partitions(topic: string): Promise<number> {
    const what = `topic ${topic} cannot be written`;
    const { topics } = await patiently(what, this.cluster, () =>
      this.producer.metadata({ topics: [topic], forceUpdate: true }),
    );
    return topics.get(topic)?.partitions.length ?? 0;
  }

  async send(records: ProducedRecord[]): Promise<boolean> {
    const { topic, partition } = records[0]!;
    const what = `messages cannot be written to partition ${partition} of ${topic}`;
    this.beginning ??= patiently(what, this.cluster, () =>
      this.producer.initIdempotentProducer({}),
    );
    await this.beginning;
    // The same records again have the same numbers, by which the broker knows them.
    return patiently(what, this.cluster, async () => {
      try {
        await this.producer.send({ messages: records });
        return true;
      } catch (error) {
        // Nothing was numbered: what is sent next takes these numbers.
        if (records.length > 1 && isTooLarge(error)) return false;
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    await this.connections.close();
  }
}
