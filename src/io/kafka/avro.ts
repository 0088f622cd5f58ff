// SPDX-License-Identifier: Apache-2.0
// Avro as schema registries have it: a zero, the number of the writer's schema in four bytes, and the
// value.
// Source: https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format

import { BeamBridgeError, checkOptionNames } from '../../base/index.ts';
import { describeValue, transcode } from '../../coders/index.ts';
import { coderOf, isSchemaType, type SchemaType, typeName } from '../../schema/index.ts';
import { Cursor, Undecodable } from '../avro/cursor.ts';
import { AVRO_TYPES, noAvroType } from '../avro/declared-type.ts';
import { reader } from '../avro/reader.ts';
import { NoSchema, parseSchema } from '../avro/schema.ts';
import { Sink } from '../avro/sink.ts';
import { Unmatched } from '../avro/unmatched.ts';
import type { Write } from '../avro/value-writers.ts';
import type { Read } from '../avro/values.ts';
import { misfitError, writer } from '../avro/writer.ts';
import { Misfit } from '../records/misfit.ts';
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

const HEADER_BYTES = 5;
const OF = 'kafkaAvro';
const FAULTS_OF_MESSAGES: readonly string[] = ['MALFORMED_DATA', 'UNSUPPORTED', 'ROW_MISMATCH'];

/**
 * Avro in the wire format of schema registries, for `keySchema` and `valueSchema`. Messages are read with the
 * schema that they were written with, which the registry is asked for once each; of that the declared type's fields
 * are taken by their names, and checked against it.
 *
 * @param type - of `beambridge/schema`: numbers, `bigint64`, `string`, `boolean`, `bytes`, enumerations, `decimal`,
 *   `millisInstant` and `microsInstant` (a `long` of a logical type `timestamp-…`, of which what is finer is cut off; for
 *   reading also `local-timestamp-…`, in UTC, and an `int` of the logical type `date`), arrays, maps with texts as keys, rows,
 *   and nullable ones of them
 * @throws `ROW_MISMATCH` from the run, for messages whose schema has something else than what is declared, and for a
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
  const none = noAvroType(type, '');
  if (none) {
    const where = none.path === '' ? 'the type' : `field ${none.path}`;
    const message = `${OF}: ${where} is ${typeName(none.type)}`;
    throw new BeamBridgeError('INVALID_ARGUMENT', message, { hint: AVRO_TYPES });
  }
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

class AvroFormat<T> implements KafkaFormat<T> {
  private readonly coder;
  /** Of writers, by number; an error where there is none. */
  private readonly readers = new Map<number, Read | BeamBridgeError>();
  private writer: { readonly id: number; readonly write: Write } | undefined;
  private readonly sink = new Sink();

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
      this.readers.set(
        id,
        matched(`schema ${id}`, () =>
          reader(this.type, parseSchema(schema), { isLenient: true }, ''),
        ),
      );
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
    const cursor = new Cursor(
      Buffer.from(buffer, byteOffset + HEADER_BYTES, byteLength - HEADER_BYTES),
    );
    try {
      const value = reader(cursor);
      if (cursor.at < cursor.end)
        throw new Undecodable(`there are ${cursor.end - cursor.at} bytes behind it`);
      return value as T;
    } catch (cause) {
      if (cause instanceof Misfit) throw misfitError(cause, `no value of schema ${id}`);
      // A value with itself in it so often that the stack has no room is as little one.
      if (!(cause instanceof Undecodable) && !(cause instanceof RangeError)) throw cause;
      throw new BeamBridgeError('MALFORMED_DATA', `no value of schema ${id}: ${cause.message}`);
    }
  }

  async prepareEncode(): Promise<void> {
    if (this.writer) return;
    if (this.subject === undefined) {
      throw new BeamBridgeError('INVALID_ARGUMENT', `${OF}: there is no subject to write with`, {
        hint: `Give it: ${OF}(type, { registry, subject: 'orders-value' }).`,
      });
    }
    const { id, schema } = await this.registry.latest(this.subject);
    const write = matched(`the schema of ${this.subject}`, () =>
      writer(this.type, parseSchema(schema), ''),
    );
    this.writer = { id, write };
  }

  encode(value: T): Uint8Array {
    if (!this.writer) throw new BeamBridgeError('INTERNAL', 'the schema was not asked for');
    const { id, write } = this.writer;
    const { sink } = this;
    const head = Buffer.alloc(HEADER_BYTES);
    head.writeUInt32BE(id, 1);
    sink.at = 0;
    sink.raw(head);
    try {
      write(sink, transcode(this.coder, value));
    } catch (error) {
      if (!(error instanceof Misfit)) throw error;
      throw misfitError(error, `no value of ${this.subject}`);
    }
    return new Uint8Array(sink.taken());
  }
}

/** What a schema is matched to, or what is wrong with it. */
function matched<M>(name: string, match: () => M): M {
  try {
    return match();
  } catch (error) {
    if (error instanceof Unmatched) {
      const { message, hint } = error;
      throw new BeamBridgeError('ROW_MISMATCH', `${name}: ${message}`, { hint });
    }
    if (!(error instanceof NoSchema)) throw error;
    throw new BeamBridgeError('UNSUPPORTED', `${name} cannot be read: ${error.message}`);
  }
}

/** What a value of a message is, for an error. */
function noWireFormat(content: Uint8Array): BeamBridgeError {
  return new BeamBridgeError(
    'MALFORMED_DATA',
    `no message of a schema registry: it begins with ${describeValue(content[0])}, not with 0 and the number of a schema`,
    { hint: 'Was it written without the registry?' },
  );
}

function idOf(content: Uint8Array): number | undefined {
  if (content.byteLength < HEADER_BYTES || content[0] !== 0) return undefined;
  return new DataView(content.buffer, content.byteOffset).getUint32(1);
}
