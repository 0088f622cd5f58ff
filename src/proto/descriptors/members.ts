// SPDX-License-Identifier: Apache-2.0
// The fields of a message, in the order and shape of @bufbuild/protobuf's own registry.

import type { DescEnum, DescField, DescMessage, DescOneof } from '@bufbuild/protobuf';
import { protoCamelCase, safeObjectProperty } from '@bufbuild/protobuf/reflect';
import { type FieldRow, type MessageTable, withoutProto } from './table.ts';

/** Two of FeatureSet.FieldPresence of google/protobuf/descriptor.proto. */
const EXPLICIT = 1;
const IMPLICIT = 2;
/** Of FieldDescriptorProto.Type, what is never packed: TYPE_STRING and TYPE_BYTES. */
const UNPACKED: ReadonlySet<number> = new Set([9, 12]);

/** What a message holds. */
export type Members = Pick<DescMessage, 'fields' | 'field' | 'oneofs' | 'members'>;

/** Finds what a table names. */
export type FindType = (typeName: string) => DescMessage | DescEnum;

/** Describes what `message` holds. */
export function membersOf(
  message: DescMessage,
  { fields, oneofs: names = [] }: MessageTable,
  find: FindType,
): Members {
  const oneofs = names.map((name): DescOneof => {
    const oneof = {
      kind: 'oneof' as const,
      deprecated: false,
      parent: message,
      fields: [],
      name,
      localName: safeObjectProperty(protoCamelCase(name)),
      toString: () => `oneof ${message.typeName}.${name}`,
    };
    return withoutProto(oneof);
  });
  const all: Members = { fields: [], field: {}, oneofs, members: [] };
  for (const row of fields) {
    const oneof = oneofs[row[3]?.oneof ?? -1];
    const field = fieldOf(row, message, oneof, find);
    all.fields.push(field);
    all.field[field.localName] = field;
    if (!oneof) all.members.push(field);
    else {
      if (oneof.fields.length === 0) all.members.push(oneof);
      oneof.fields.push(field);
    }
  }
  return all;
}

function fieldOf(
  [name, number, type, { list, key, optional, deprecated } = {}]: FieldRow,
  message: DescMessage,
  oneof: DescOneof | undefined,
  find: FindType,
): DescField {
  const camel = protoCamelCase(name);
  const scalar = typeof type === 'number' ? type : undefined;
  const target = typeof type === 'number' ? undefined : find(type);
  const value = target?.kind ?? 'scalar';
  const isMap = key !== undefined;
  const isMany = isMap || list !== undefined;
  const isExplicit = !isMany && (oneof || optional || value === 'message');
  const field = {
    kind: 'field',
    deprecated: deprecated === 1,
    name,
    number,
    scalar,
    message: value === 'message' ? target : undefined,
    enum: value === 'enum' ? target : undefined,
    presence: isExplicit ? EXPLICIT : IMPLICIT,
    utf8Validation: true,
    fieldKind: isMap ? 'map' : list ? 'list' : value,
    listKind: list && value,
    mapKind: isMap ? value : undefined,
    mapKey: key,
    delimitedEncoding: isMap || value === 'message' ? false : undefined,
    packed: list && value !== 'message' && !UNPACKED.has(scalar ?? 0),
    longAsString: false,
    getDefaultValue: isMany ? undefined : () => undefined,
    parent: message,
    oneof,
    localName: oneof ? camel : safeObjectProperty(camel),
    jsonName: camel,
    toString: () => `field ${message.typeName}.${name}`,
  };
  return withoutProto(field) as unknown as DescField;
}
