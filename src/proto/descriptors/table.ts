// SPDX-License-Identifier: Apache-2.0
// What the generated code says of a file, as JSON that scripts/proto-tables.mjs makes.

import type { DescMethod } from '@bufbuild/protobuf';
import { BeamBridgeError } from '../../base/index.ts';

/** A field: name, number, what its values are (a scalar's number, or the name of a message, or `#` and that of an enumeration), and the rest. */
export type FieldRow = [name: string, number: number, type: number | string, more?: FieldMore];

interface FieldMore {
  list?: 1;
  /** Of a map: the scalar that its keys are. */
  key?: number;
  /** Place in the list of oneofs. */
  oneof?: number;
  optional?: 1;
  deprecated?: 1;
}

export interface MessageTable {
  fields: FieldRow[];
  oneofs?: string[];
}

export interface EnumTable {
  prefix?: string;
  /** Name, the same without the prefix, and number. */
  values: [name: string, localName: string, number: number][];
}

/** Name, kind, request and response. */
export type MethodRow = [
  name: string,
  kind: DescMethod['methodKind'],
  input: string,
  output: string,
];

/** All of a file. Types are named by their way from its package, as `Trigger.AfterAll`; those of other files with the package. */
export interface FileTable {
  messages: Record<string, MessageTable>;
  enums: Record<string, EnumTable>;
  services: Record<string, MethodRow[]>;
}

/** Leaves out the serialized descriptor, which nothing of this package looks at. */
export function withoutProto<T extends object>(description: T): T & { proto: never } {
  return Object.defineProperty(description, 'proto', { get: noProto }) as T & { proto: never };
}

function noProto(): never {
  throw new BeamBridgeError('INTERNAL', 'this package has no serialized descriptors');
}
