// SPDX-License-Identifier: Apache-2.0
// What comes out of reading: messages, and those that could not be made of a record.

import {
  array,
  bigint64,
  bytes,
  int32,
  int64,
  nullable,
  type RowType,
  row,
  type SchemaType,
  string,
} from '../../schema/index.ts';

/** A header of a message. A name may be there several times. */
export type KafkaHeader = {
  key: string;
  value: Uint8Array | null;
};

/** A message that was read. */
export type KafkaMessage<K = Uint8Array, V = Uint8Array> = {
  topic: string;
  partition: number;
  offset: bigint;
  /** As the message has it, in milliseconds since 1970. */
  timestamp: number;
  /** Null for a message without a key. */
  key: K | null;
  /** Null for a message that says that its key's value is gone. */
  value: V | null;
  headers: KafkaHeader[];
};

/** A record of which no message could be made. */
export type FailedMessage = {
  topic: string;
  partition: number;
  offset: bigint;
  /** In milliseconds since 1970. */
  timestamp: number;
  /** The bytes of the key. */
  key: Uint8Array | null;
  /** The bytes of the value. */
  value: Uint8Array | null;
  headers: KafkaHeader[];
  /** What could not be made: the key, the value, or a time by the option `timestamp`. */
  part: string;
  /** The code of an error of this package, such as `ROW_MISMATCH`; else the class of what was thrown. */
  errorType: string;
  /** What the error says. */
  message: string;
};

const header = row({ key: string, value: nullable(bytes) });

function fieldsOf<K, V>(key: SchemaType<K>, value: SchemaType<V>) {
  return {
    topic: string,
    partition: int32,
    offset: bigint64,
    timestamp: int64,
    key: nullable(key),
    value: nullable(value),
    headers: array(header),
  };
}

/** The type of messages with keys and values of these types. */
export function messageType<K, V>(
  key: SchemaType<K>,
  value: SchemaType<V>,
): RowType<KafkaMessage<K, V>> {
  return row(fieldsOf(key, value));
}

/** The type of what could not be read. */
export const failedType: RowType<FailedMessage> = row({
  ...fieldsOf(bytes, bytes),
  part: string,
  errorType: string,
  message: string,
});
