// SPDX-License-Identifier: Apache-2.0
// What bundles write with: a writer of their DoFn object's own, or the one of a cycle of transactions.

import type { KafkaProducer } from './producer.ts';
import type { TransactionCycle } from './transaction-cycle.ts';
import { KafkaWriter } from './writer.ts';

/** What the bundles of one DoFn object write with. */
export interface WriterOfBundle {
  forBundle(): WriterOfBundle;
  opened(): Promise<KafkaWriter>;
  /** A bundle has ended. */
  finish(): Promise<void>;
  close(): Promise<void>;
}

/** A writer whose messages are stored when a bundle has ended. */
export class OwnWriter implements WriterOfBundle {
  private writer: KafkaWriter | undefined;

  constructor(private readonly open: () => Promise<KafkaProducer>) {}

  forBundle(): OwnWriter {
    return new OwnWriter(this.open);
  }

  async opened(): Promise<KafkaWriter> {
    this.writer ??= new KafkaWriter(await this.open());
    return this.writer;
  }

  async finish(): Promise<void> {
    await this.writer?.flush();
  }

  async close(): Promise<void> {
    const { writer } = this;
    this.writer = undefined;
    await writer?.close();
  }
}

/** The writer of a cycle of transactions, which stores messages when it commits them, and ends with the run. */
export class SharedWriter implements WriterOfBundle {
  constructor(private readonly cycle: TransactionCycle) {}

  forBundle(): SharedWriter {
    return this;
  }

  opened(): Promise<KafkaWriter> {
    return this.cycle.opened();
  }

  async finish(): Promise<void> {}

  async close(): Promise<void> {}
}
