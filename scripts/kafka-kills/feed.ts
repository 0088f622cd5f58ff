// SPDX-License-Identifier: Apache-2.0
// The messages, which come while the program runs: numbers that rise, those of each key in order.

import { Producer } from '@platformatic/kafka';

export const PARTITIONS = 4;
const KEYS = 1_000;
/** Messages that are sent together. */
const TOGETHER = 5_000;

/** The key of a message, without its prefix. */
export const keyOf = (n: number) => n % KEYS;

export class Feed {
  /** How many messages were sent: the numbers below this. */
  given = 0;
  private producer: Producer | undefined;
  private lastAt: number | undefined;

  constructor(
    private readonly address: () => string,
    private readonly topic: string,
    private readonly count: number,
  ) {}

  /**
   * Sends messages until `most` of them are there, or as many as the pace allows since the last call.
   *
   * @param pace - messages in a second
   */
  async to(most: number, pace = Number.POSITIVE_INFINITY): Promise<void> {
    const now = performance.now();
    const allowed = this.given + pace * ((now - (this.lastAt ?? now - 100)) / 1000);
    this.lastAt = now;
    const end = Math.ceil(Math.min(this.count, most, allowed));
    while (this.given < end) await this.send(Math.min(TOGETHER, end - this.given));
  }

  private async send(count: number): Promise<void> {
    this.producer ??= await this.open();
    const numbers = Array.from({ length: count }, (_, i) => this.given + i);
    await this.producer.send({
      messages: numbers.map((n) => ({
        topic: this.topic,
        partition: keyOf(n) % PARTITIONS,
        key: Buffer.from(`k${keyOf(n)}`),
        value: Buffer.from(`{"n":${n}}`),
      })),
    });
    this.given += count;
  }

  private async open(): Promise<Producer> {
    const producer = new Producer({
      clientId: 'kafka-kills',
      bootstrapBrokers: [this.address()],
      idempotent: true,
      retries: 20,
    });
    await producer.initIdempotentProducer({});
    return producer;
  }

  /** Lets go of the broker; what is sent next finds it again, where it was killed. */
  async close(): Promise<void> {
    const { producer } = this;
    this.producer = undefined;
    await Promise.resolve(producer?.close(true)).catch(() => {});
  }
}
