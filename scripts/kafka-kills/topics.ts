// SPDX-License-Identifier: Apache-2.0
// What is in the topics: how far the program is, and what the one that is written holds in the end, by
// Kafka's own consumer.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { Admin, Consumer } from '@platformatic/kafka';
import { findJava } from '../../src/services/index.ts';
import { kafkaJars } from '../kafka-broker.ts';
import { keyOf, PARTITIONS } from './feed.ts';

const READER = resolve(import.meta.dirname, 'ReadTopic.java');

/** What became of the messages. */
export interface Verdict {
  readonly read: number;
  readonly lost: number;
  /** Messages that are there more than once, each time but the first. */
  readonly doubled: number;
  /** Messages that came for the first time behind a later one of their key. */
  readonly disordered: number;
  /** Messages that hold what they should not. */
  readonly wrong: number;
}

export class Topics {
  constructor(private readonly address: () => string) {}

  private get options() {
    return { clientId: 'kafka-kills', bootstrapBrokers: [this.address()], retries: 0 };
  }

  /** Empty topics of these names. */
  async prepare(...names: string[]): Promise<void> {
    const admin = new Admin(this.options);
    await admin.createTopics({ topics: names, partitions: PARTITIONS, replicas: 1 });
    await admin.close();
  }

  /** How many messages a topic has been given, those of transactions and their ends included; undefined where no broker answers. */
  async size(topic: string): Promise<number | undefined> {
    const consumer = new Consumer({ ...this.options, groupId: 'kafka-kills' });
    consumer.on('error', () => {});
    try {
      const ends = await consumer.listOffsets({ topics: [topic], timestamp: -1n });
      return Number((ends.get(topic) ?? []).reduce((a, b) => a + b, 0n));
    } catch {
      return undefined;
    } finally {
      await Promise.resolve(consumer.close(true)).catch(() => {});
    }
  }

  /** How many messages of a topic a group has left behind it; undefined where no broker answers. */
  async committed(groupId: string, topic: string): Promise<number | undefined> {
    const admin = new Admin(this.options);
    admin.on('error', () => {});
    const partitionIndexes = Array.from({ length: PARTITIONS }, (_, i) => i);
    try {
      const groups = await admin.listConsumerGroupOffsets({
        groups: [{ groupId, topics: [{ name: topic, partitionIndexes }] }],
      });
      return groups
        .flatMap(({ topics }) => topics.flatMap(({ partitions }) => partitions))
        .reduce((sum, { committedOffset }) => sum + Math.max(0, Number(committedOffset)), 0);
    } catch {
      return undefined;
    } finally {
      await admin.close().catch(() => {});
    }
  }

  /** Reads a topic from its beginning to its end, as a reader that sees only what is committed. */
  async judge(topic: string, count: number): Promise<Verdict> {
    const java = await findJava();
    const args = ['-Xmx256m', '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn'];
    args.push('-cp', join(kafkaJars(), '*'), READER, this.address(), topic);
    const reader = spawn(java, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(reader, 'close');
    const seen = new Uint8Array(count);
    const last = new Map<number, number>();
    let [read, doubled, disordered, wrong] = [0, 0, 0, 0];
    for await (const line of createInterface(reader.stdout)) {
      read += 1;
      const [, , key = '', value = ''] = line.split(' ');
      const { n, twice } = JSON.parse(value) as { n: number; twice: number };
      if (twice !== 2 * n || key !== `k${keyOf(n)}` || !(n >= 0 && n < count)) wrong += 1;
      else if (seen[n]) doubled += 1;
      else {
        seen[n] = 1;
        const before = last.get(keyOf(n)) ?? -1;
        if (n < before) disordered += 1;
        else last.set(keyOf(n), n);
      }
    }
    const [code] = (await ended) as [number];
    if (code !== 0) throw new Error(`Kafka's consumer ended with ${code}`);
    const lost = seen.reduce((sum, one) => sum + (one ? 0 : 1), 0);
    return { read, lost, doubled, disordered, wrong };
  }
}
