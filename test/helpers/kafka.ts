// SPDX-License-Identifier: Apache-2.0
// A broker of Kafka for one test file, where its jars are on this machine: scripts/test-engines fetches
// them.

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Admin, Consumer, Producer } from '@platformatic/kafka';
import { type Broker, kafkaJars, startBroker, stopBroker } from '../../scripts/kafka-broker.ts';
import { findJava } from '../../src/services/index.ts';

/** Why tests of Kafka are skipped, if they are. */
export async function kafkaSkip(): Promise<string | false> {
  if (!existsSync(kafkaJars())) return 'there is no Kafka here: scripts/test-engines fetches it';
  return findJava().then(
    () => false as const,
    (error: Error) => error.message.split('\n')[0]!,
  );
}

/** Who may come to the second address. */
export const USER = { name: 'ann', password: 'open-sesame-9' };

export class TestCluster implements AsyncDisposable {
  private readonly folder = mkdtempSync(path.join(tmpdir(), 'beambridge-kafka-'));
  private broker: Broker | undefined;
  private topics = 0;

  /** @param settings - of the broker, beside those that it has */
  private constructor(private readonly settings: Readonly<Record<string, string>>) {}

  static async start(settings: Readonly<Record<string, string>> = {}): Promise<TestCluster> {
    const cluster = new TestCluster(settings);
    await cluster.up();
    return cluster;
  }

  get address(): string {
    return this.broker?.address ?? '';
  }

  get saslAddress(): string {
    return this.broker?.saslAddress ?? '';
  }

  /** Starts it again, on the same port and with what it has stored. */
  async up(): Promise<void> {
    this.broker = await startBroker(this.folder, { user: USER, settings: this.settings });
  }

  /** Ends it; SIGKILL as a machine that is switched off. */
  async down(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await stopBroker(this.folder, signal);
  }

  private get options() {
    return { clientId: 'test', bootstrapBrokers: [this.address] };
  }

  async admin<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
    const admin = new Admin(this.options);
    try {
      return await work(admin);
    } finally {
      await admin.close();
    }
  }

  /** A new topic. */
  async topic(partitions = 3, name = `topic-${++this.topics}`): Promise<string> {
    await this.admin((admin) => admin.createTopics({ topics: [name], partitions, replicas: 1 }));
    return name;
  }

  async producer<T>(work: (producer: Producer) => Promise<T>, options = {}): Promise<T> {
    const producer = new Producer({ ...this.options, idempotent: true, ...options });
    try {
      return await work(producer);
    } finally {
      await producer.close(true);
    }
  }

  /** Behind the last message of each partition. */
  async ends(topic: string): Promise<bigint[]> {
    const consumer = new Consumer({ ...this.options, groupId: 'test' });
    try {
      return (await consumer.listOffsets({ topics: [topic], timestamp: -1n })).get(topic) ?? [];
    } finally {
      await consumer.close(true);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
