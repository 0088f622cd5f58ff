// SPDX-License-Identifier: Apache-2.0
// The package @platformatic/kafka, which users install if they want it: what we use of it, and loading
// it no earlier than something is read or written.

import { BeamBridgeError } from '../../base/index.ts';
import { type Mendable, mend } from './mended.ts';

/** What its clients are told. */
export interface ClientOptions {
  readonly clientId: string;
  readonly bootstrapBrokers: readonly { host: string; port: number }[];
  readonly retries: number;
  readonly retryDelay?: number;
  readonly [option: string]: unknown;
}

/** What is known of a topic. */
export interface TopicMetadata {
  readonly id: string;
  readonly partitions: readonly { readonly leader: number }[];
}

/** A connection to a broker. */
export interface Connection {
  once(event: 'close', listener: () => void): unknown;
  close(): Promise<void>;
}

/** What all its clients do. */
export interface BaseClient {
  readonly connections: {
    on(
      event: 'connecting' | 'failed',
      listener: (made: { connection: Connection }) => void,
    ): unknown;
  };
  metadata(options: { topics: string[]; forceUpdate?: boolean }): Promise<{
    readonly topics: ReadonlyMap<string, TopicMetadata | undefined>;
    /** By their number. */
    readonly brokers: ReadonlyMap<number, unknown>;
  }>;
  listApis(): Promise<readonly { name: string; minVersion: number; maxVersion: number }[]>;
  connectToBrokers(nodeIds: number[]): Promise<ReadonlyMap<number, unknown>>;
  clearMetadata(): void;
  on(event: 'error', listener: (error: unknown) => void): unknown;
}

export interface AdminClient extends BaseClient {
  /** It takes a callback, and nothing else. */
  close(): Promise<void>;
  listTopics(): Promise<string[]>;
  listConsumerGroupOffsets(options: {
    groups: { groupId: string; topics: { name: string; partitionIndexes: number[] }[] }[];
    requireStable?: boolean;
  }): Promise<
    readonly {
      topics: readonly {
        name: string;
        partitions: readonly { partitionIndex: number; committedOffset: bigint }[];
      }[];
    }[]
  >;
  alterConsumerGroupOffsets(options: {
    groupId: string;
    topics: { name: string; partitionOffsets: { partition: number; offset: bigint }[] }[];
  }): Promise<void>;
}

export interface ConsumerClient extends BaseClient {
  close(force: boolean): Promise<void>;
  listOffsets(options: {
    topics: string[];
    partitions: Record<string, number[]>;
    timestamp: bigint;
  }): Promise<ReadonlyMap<string, readonly (bigint | undefined)[]>>;
}

/** A record as it is written. */
export interface ProducedRecord {
  topic: string;
  partition: number;
  key?: Buffer | undefined;
  value?: Buffer | undefined;
  headers?: Map<Buffer, Buffer | null> | undefined;
  timestamp?: bigint | undefined;
}

export interface ProducerClient extends BaseClient {
  close(force: boolean): Promise<void>;
  initIdempotentProducer(options: object): Promise<unknown>;
  send(options: { messages: ProducedRecord[] }): Promise<unknown>;
}

/** A record as it lies in a batch. */
export interface FetchedRecord {
  readonly timestampDelta: bigint;
  readonly offsetDelta: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly (readonly [Buffer, Buffer | null])[];
}

/** Records that were written together. */
export interface FetchedBatch {
  readonly firstOffset: bigint;
  readonly lastOffsetDelta: number;
  readonly magic: number;
  readonly attributes: number;
  readonly firstTimestamp: bigint;
  readonly maxTimestamp: bigint;
  readonly producerId: bigint;
  readonly records: readonly FetchedRecord[];
}

/** What a broker answers for a partition. */
export interface FetchedPartition {
  readonly partitionIndex: number;
  readonly errorCode: number;
  readonly highWatermark: bigint;
  readonly lastStableOffset: bigint;
  readonly abortedTransactions: readonly { producerId: bigint; firstOffset: bigint }[];
  readonly records?: readonly FetchedBatch[];
}

export interface FetchResponse {
  readonly responses: readonly { topicId: string; partitions: readonly FetchedPartition[] }[];
}

export interface FetchTopic {
  topicId: string;
  partitions: {
    partition: number;
    currentLeaderEpoch: number;
    fetchOffset: bigint;
    lastFetchedEpoch: number;
    partitionMaxBytes: number;
  }[];
}

/** Asks one broker, in one version of the protocol. */
export interface FetchApi {
  async(
    connection: unknown,
    maxWaitMs: number,
    minBytes: number,
    maxBytes: number,
    isolationLevel: number,
    sessionId: number,
    sessionEpoch: number,
    topics: FetchTopic[],
    forgotten: never[],
    rackId: string,
  ): Promise<FetchResponse>;
}

/** What a transaction asks of its coordinator, and of the brokers that it writes to: one call for each. */
export interface TransactionApis {
  readonly findCoordinatorV4: {
    readonly api: {
      async(
        connection: unknown,
        keyType: number,
        keys: string[],
      ): Promise<{ readonly coordinators: readonly { key: string; nodeId: number }[] }>;
    };
  };
  readonly initProducerIdV4: {
    readonly api: {
      async(
        connection: unknown,
        transactionalId: string,
        timeoutMs: number,
        producerId: bigint,
        producerEpoch: number,
      ): Promise<ProducerIdentity>;
    };
  };
  readonly addPartitionsToTxnV3: {
    readonly api: {
      async(
        connection: unknown,
        transactions: (ProducerIdentity & {
          transactionalId: string;
          topics: { name: string; partitions: number[] }[];
        })[],
      ): Promise<unknown>;
    };
  };
  readonly produceV9: {
    readonly api: {
      async(
        connection: unknown,
        acks: number,
        timeoutMs: number,
        records: ProducedRecord[],
        options: ProducerIdentity & {
          transactionalId: string;
          compression: string;
          sequences: { getWithDefault(key: string, other: number): number };
        },
      ): Promise<unknown>;
    };
  };
  readonly addOffsetsToTxnV3: {
    readonly api: {
      async(
        connection: unknown,
        transactionalId: string,
        producerId: bigint,
        producerEpoch: number,
        groupId: string,
      ): Promise<unknown>;
    };
  };
  readonly txnOffsetCommitV3: {
    readonly api: {
      async(
        connection: unknown,
        transactionalId: string,
        groupId: string,
        producerId: bigint,
        producerEpoch: number,
        generationId: number,
        memberId: string,
        groupInstanceId: null,
        topics: {
          name: string;
          partitions: {
            partitionIndex: number;
            committedOffset: bigint;
            committedLeaderEpoch: number;
            committedMetadata: string | null;
          }[];
        }[],
      ): Promise<unknown>;
    };
  };
  readonly offsetFetchV8: {
    readonly api: {
      async(
        connection: unknown,
        groups: { groupId: string; topics: { name: string; partitionIndexes: number[] }[] }[],
        requireStable: boolean,
      ): Promise<{
        readonly groups: readonly {
          topics: readonly {
            partitions: readonly {
              partitionIndex: number;
              committedOffset: bigint;
              metadata: string | null;
            }[];
          }[];
        }[];
      }>;
    };
  };
  readonly endTxnV3: {
    readonly api: {
      async(
        connection: unknown,
        transactionalId: string,
        producerId: bigint,
        producerEpoch: number,
        isCommitted: boolean,
      ): Promise<unknown>;
    };
  };
}

/** Who writes: the epoch rises whenever somebody else takes over. */
export interface ProducerIdentity {
  readonly producerId: bigint;
  readonly producerEpoch: number;
}

/** What we use of the package. */
export interface KafkaPackage extends TransactionApis, Mendable {
  readonly Admin: new (options: ClientOptions) => AdminClient;
  readonly Consumer: new (
    options: ClientOptions & { groupId: string; isolationLevel: number },
  ) => ConsumerClient;
  readonly Producer: new (
    options: ClientOptions & { idempotent: true; compression?: string | undefined },
  ) => ProducerClient;
  readonly fetchV13: { readonly api: FetchApi };
  readonly fetchV14: { readonly api: FetchApi };
  readonly fetchV15: { readonly api: FetchApi };
  readonly fetchV16: { readonly api: FetchApi };
  readonly fetchV17: { readonly api: FetchApi };
}

const PACKAGE = '@platformatic/kafka';
/** The oldest Node.js that the package runs on. */
const OLDEST_NODE = [20, 19, 4] as const;

/**
 * The package.
 *
 * @throws BeamBridgeError `PACKAGE_NOT_FOUND` when it is not installed, `UNSUPPORTED` for a Node.js that it
 *   does not run on
 */
export async function kafkaPackage(): Promise<KafkaPackage> {
  checkNode(process.versions.node);
  try {
    // A name that bundlers do not see: the package reads a file beside its own, and does not work in a bundle.
    const name = PACKAGE;
    const pkg = (await import(name)) as unknown as KafkaPackage;
    mend(pkg);
    return pkg;
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND';
    throw new BeamBridgeError(
      'PACKAGE_NOT_FOUND',
      `Kafka needs the package ${PACKAGE}${isMissing ? '' : ', which cannot be loaded'}`,
      {
        hint: `Install it beside beambridge: npm install ${PACKAGE}. A program that travels to workers as a bundle leaves it behind: install it there, and say workerProgram: 'module'.`,
        cause,
      },
    );
  }
}

/** @throws BeamBridgeError `UNSUPPORTED` for an older Node.js than the package needs */
export function checkNode(version: string): void {
  const parts = version.split('.').map(Number);
  for (const [index, oldest] of OLDEST_NODE.entries()) {
    const part = parts[index] ?? 0;
    if (part > oldest) return;
    if (part === oldest) continue;
    throw new BeamBridgeError('UNSUPPORTED', `${PACKAGE} does not run on Node.js ${version}`, {
      hint: `It needs ${OLDEST_NODE.join('.')} or later.`,
    });
  }
}
