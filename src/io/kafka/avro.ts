// SPDX-License-Identifier: Apache-2.0
// Avro as schema registries have it: a zero, the number of the writer's schema in four bytes, and the
// value.
// Source: https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format

import { BeamBridgeError, checkOptionNames } from '../../base/index.ts';
import { describeValue, transcode } from '../../coders/index.ts';
import { coderOf, isSchemaType, type SchemaType } from '../../schema/index.ts';
import {
  type Avro,
  type AvroType,
  type Instants,
  type Matching,
  matchSchema,
  parseSchema,
} from './avro-schema.ts';
import { checkAvroType, fromAvro, noWireFormat, toAvro } from './avro-values.ts';
import { invalid } from './connection.ts';
import type { KafkaFormat } from './formats.ts';
import { type RegistryUser, SchemaRegistry } from './registry.ts';

/** Options of {@link kafkaAvro}. */
export interface KafkaAvroOptions {
  /** Address of the registry: `http://registry:8081`. */
  registry: string;
  /** @default no authentication */
  user?: RegistryUser;
  /**
   * For writing: the subject whose latest schema messages are written with, such as `orders-value`. It
   * must be registered.
   */
  subject?: string;
}

const PACKAGE = 'avsc';
const HEADER_BYTES = 5;
const OF = 'kafkaAvro';
const FAULTS_OF_MESSAGES: readonly string[] = ['MALFORMED_DATA', 'UNSUPPORTED', 'ROW_MISMATCH'];

async function avro(): Promise<Avro> {
  try {
    // A name that bundlers do not see, as that of the client of Kafka.
    const name = PACKAGE;
    return ((await import(name)) as { default: Avro }).default;
  } catch (cause) {
    throw new BeamBridgeError('PACKAGE_NOT_FOUND', `${OF} needs the package ${PACKAGE}`, {
      hint: `Install it beside beambridge: npm install ${PACKAGE}`,
      cause,
    });
  }
}

/**
 * Avro in the wire format of schema registries, for `keySchema` and `valueSchema`. Messages are read with the
 * schema that they were written with, which the registry is asked for once each; of that the declared type's fields
 * are taken by their names, and checked against it.
 *
 * Needs the npm package `avsc`, 5.7 or newer, which comes with `@platformatic/kafka`.
 *
 * @param type - of `beambridge/schema`: numbers, `bigint64`, `string`, `boolean`, `bytes`, enumerations,
 *   `millisInstant` (a `long` of the logical type `timestamp-millis` or `timestamp-micros`, of which what is below a
 *   millisecond is cut off; for reading also an `int` of the logical type `date`), arrays, maps with texts as keys,
 *   rows, and nullable ones of them
 * @throws `ROW_MISMATCH` from the run, where `millisInstant` is declared and the schema has something else, and for a
 *   declared field that the schema of the subject lacks
 * @throws `INVALID_ARGUMENT` for other types, and options that are not as described
 * @throws `ENDPOINT_UNAVAILABLE` from the run, when the registry is away for a minute; `CREDENTIALS_REFUSED`,
 *   `ENDPOINT_REFUSED` when it refuses the user, or has not the subject
 * @throws `UNSUPPORTED` from the run, for a schema that is not Avro's, or refers to others
 *
 * @example
 * ```ts
 * const order = kafkaAvro(row({ id: int64 }), { registry: 'http://localhost:8081' });
 * root.apply(readFromKafka({ bootstrapServers: 'localhost:9092', topics: 'orders', valueSchema: order }));
 * ```
 */
export function kafkaAvro<T>(type: SchemaType<T>, options: KafkaAvroOptions): KafkaFormat<T> {
  if (!isSchemaType(type)) {
    throw new BeamBridgeError('INVALID_ARGUMENT', `${OF} was given ${describeValue(type)}`, {
      hint: `Give a type of beambridge/schema: ${OF}(row({ id: int64 }), …).`,
    });
  }
  checkAvroType(type);
  if (options === undefined) throw invalid(OF, 'options', options, 'Give { registry }.');
  checkOptionNames(OF, options, { registry: true, user: true, subject: true });
  const { registry, user, subject } = options;
  const isAddress = typeof registry === 'string' && /^https?:\/\/[^/@\s]+/.test(registry);
  if (!isAddress || registry.includes('@')) {
    // What does not look like an address may be a secret in the wrong place.
    throw new BeamBridgeError('INVALID_ARGUMENT', `${OF}: registry is no address`, {
      hint: "Give 'http://registry:8081'; credentials go into user.",
    });
  }
  if (user !== undefined && (!user?.username || !user.password)) {
    throw new BeamBridgeError('CREDENTIALS_MISSING', `${OF}: user has no username and password`, {
      hint: 'Give { username, password }. Are the environment variables set that hold them?',
    });
  }
  if (subject !== undefined && (typeof subject !== 'string' || subject === '')) {
    throw invalid(OF, 'subject', subject, "Give the subject's name: 'orders-value'.");
  }
  return new AvroFormat(type, new SchemaRegistry(registry.replace(/\/+$/, ''), user), subject);
}

/** A schema, and where it has instants. */
interface Matched {
  readonly type: AvroType;
  readonly instants: Instants | undefined;
}

class AvroFormat<T> implements KafkaFormat<T> {
  private readonly coder;
  /** Of writers, by number; an error where there is none. */
  private readonly readers = new Map<number, Matched | BeamBridgeError>();
  private writer: (Matched & { readonly id: number }) | undefined;

  constructor(
    readonly type: SchemaType<T>,
    private readonly registry: SchemaRegistry,
    private readonly subject: string | undefined,
  ) {
    this.coder = coderOf(type);
  }

  canDecode(content: Uint8Array): boolean {
    const id = idOf(content);
    return id === undefined || this.readers.has(id);
  }

  async prepareDecode(content: Uint8Array): Promise<void> {
    const id = idOf(content);
    if (id === undefined || this.readers.has(id)) return;
    try {
      const { schema } = await this.registry.schema(id);
      const name = `schema ${id}`;
      this.readers.set(id, await this.matched(schema, { name, isWriting: false }));
    } catch (thrown) {
      const error = BeamBridgeError.from(thrown, 'UNSUPPORTED');
      // That there is no such schema, or none that can be read or fits, is a fault of the message alone.
      if (!FAULTS_OF_MESSAGES.includes(error.code)) throw error;
      this.readers.set(id, error);
    }
  }

  decode(content: Uint8Array): T {
    const id = idOf(content);
    if (id === undefined) throw noWireFormat(content);
    const reader = this.readers.get(id);
    if (!reader || reader instanceof BeamBridgeError) {
      throw reader ?? new BeamBridgeError('INTERNAL', `schema ${id} was not asked for`);
    }
    const { buffer, byteOffset, byteLength } = content;
    let value: unknown;
    try {
      value = reader.type.fromBuffer(
        Buffer.from(buffer, byteOffset + HEADER_BYTES, byteLength - HEADER_BYTES),
      );
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new BeamBridgeError('MALFORMED_DATA', `no value of schema ${id}: ${why}`);
    }
    return transcode(this.coder, fromAvro(this.type, value, reader.instants) as T);
  }

  async prepareEncode(): Promise<void> {
    if (this.writer) return;
    if (this.subject === undefined) {
      throw new BeamBridgeError('INVALID_ARGUMENT', `${OF}: there is no subject to write with`, {
        hint: `Give it: ${OF}(type, { registry, subject: 'orders-value' }).`,
      });
    }
    const { id, schema } = await this.registry.latest(this.subject);
    const name = `the schema of ${this.subject}`;
    this.writer = { id, ...(await this.matched(schema, { name, isWriting: true })) };
  }

  private async matched(schema: unknown, matching: Matching): Promise<Matched> {
    const parsed = parseSchema(await avro(), schema);
    return { type: parsed.type, instants: matchSchema(this.type, parsed, matching) };
  }

  encode(value: T): Uint8Array {
    const { writer } = this;
    if (!writer) throw new BeamBridgeError('INTERNAL', 'the schema was not asked for');
    const given = toAvro(this.type, transcode(this.coder, value), writer.instants);
    let body: Buffer;
    try {
      body = writer.type.toBuffer(given);
    } catch (cause) {
      let why = cause instanceof Error ? cause.message : String(cause);
      // All that avsc can say of one: it shows values as JSON.
      if (/BigInt/.test(why)) why = 'a whole number beyond 2^53 is where the schema has no long';
      throw new BeamBridgeError('ROW_MISMATCH', `no value of ${this.subject}: ${why}`);
    }
    const content = new Uint8Array(HEADER_BYTES + body.byteLength);
    new DataView(content.buffer).setUint32(1, writer.id);
    content.set(body, HEADER_BYTES);
    return content;
  }
}

function idOf(content: Uint8Array): number | undefined {
  if (content.byteLength < HEADER_BYTES || content[0] !== 0) return undefined;
  return new DataView(content.buffer, content.byteOffset).getUint32(1);
}
