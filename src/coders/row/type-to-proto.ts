// SPDX-License-Identifier: Apache-2.0
// Types to Beam's schema messages. Ids follow from the content: the same type has the same id in
// every run and process, so that Python keeps one class for it and plans do not change.

import { createHash } from 'node:crypto';
import { create, fromBinary, pb, toBinary } from '../../proto/index.ts';
import {
  type AtomicKind,
  type FieldType,
  type LogicalType,
  type RowFieldsType,
  representationOf,
} from './field-type.ts';
import { partPath, type ValueForm, type ValueForms, valueFormsToOption } from './value-forms.ts';

const ATOMIC: Record<AtomicKind, pb.AtomicType> = {
  byte: pb.AtomicType.BYTE,
  int16: pb.AtomicType.INT16,
  int32: pb.AtomicType.INT32,
  int64: pb.AtomicType.INT64,
  bigint64: pb.AtomicType.INT64,
  float32: pb.AtomicType.FLOAT,
  float64: pb.AtomicType.DOUBLE,
  string: pb.AtomicType.STRING,
  boolean: pb.AtomicType.BOOLEAN,
  bytes: pb.AtomicType.BYTES,
};

/** The schema message of a row type; a row type that came from a message gives it back unchanged. */
export function schemaToProto(type: RowFieldsType): pb.Schema {
  if (type.proto) return fromBinary(pb.SchemaSchema, type.proto);
  const schema = create(pb.SchemaSchema, { fields: type.fields.map(fieldToProto) });
  schema.id = contentId(toBinary(pb.SchemaSchema, schema));
  return schema;
}

function fieldToProto({ name, type }: RowFieldsType['fields'][number]): pb.Field {
  const forms: ValueForms = new Map();
  const proto = fieldTypeToProto(type, (path, form) => forms.set(path, form));
  const options = forms.size > 0 ? [valueFormsToOption(forms)] : [];
  return create(pb.FieldSchema, { name, type: proto, options });
}

type NoteForm = (path: string, form: ValueForm) => void;

/** The message of a type; `note` is told of every value form, which the message cannot say. */
export function fieldTypeToProto(
  type: FieldType,
  note: NoteForm = () => {},
  path = '',
): pb.FieldType {
  if (type.kind === 'nullable') {
    const proto = fieldTypeToProto(type.value, note, path);
    proto.nullable = true;
    return proto;
  }
  return create(pb.FieldTypeSchema, { typeInfo: typeInfo(type, note, path) });
}

function typeInfo(
  type: Exclude<FieldType, { kind: 'nullable' }>,
  note: NoteForm,
  path: string,
): pb.FieldType['typeInfo'] {
  const part = (of: FieldType, step: 'e' | 'k' | 'v') =>
    fieldTypeToProto(of, note, partPath(path, step));
  switch (type.kind) {
    case 'array': {
      if (type.typed) note(path, 'typed');
      const value = create(pb.ArrayTypeSchema, { elementType: part(type.element, 'e') });
      return { case: 'arrayType', value };
    }
    case 'iterable': {
      const value = create(pb.IterableTypeSchema, { elementType: part(type.element, 'e') });
      return { case: 'iterableType', value };
    }
    case 'map': {
      const types = { keyType: part(type.key, 'k'), valueType: part(type.value, 'v') };
      return { case: 'mapType', value: create(pb.MapTypeSchema, types) };
    }
    case 'tensor':
      note(path, { tensor: type.element, shape: type.shape });
      return typeInfo(representationOf(type), () => {}, path);
    case 'row':
      return { case: 'rowType', value: create(pb.RowTypeSchema, { schema: schemaToProto(type) }) };
    case 'logical':
      return { case: 'logicalType', value: logicalToProto(type, note, path) };
    case 'enumeration':
      note(path, { enumeration: type.values });
      return { case: 'atomicType', value: pb.AtomicType.STRING };
    default:
      if (type.kind === 'bigint64') note(path, 'bigint');
      return { case: 'atomicType', value: ATOMIC[type.kind] };
  }
}

function logicalToProto(type: LogicalType, note: NoteForm, path: string): pb.LogicalType {
  if (type.proto) return fromBinary(pb.LogicalTypeSchema, type.proto);
  const proto = create(pb.LogicalTypeSchema, {
    urn: type.urn,
    representation: fieldTypeToProto(type.representation, note, path),
  });
  if (type.argument === undefined) return proto;
  proto.argumentType = fieldTypeToProto({ kind: 'int32' });
  proto.argument = create(pb.FieldValueSchema, {
    fieldValue: {
      case: 'atomicValue',
      value: { value: { case: 'int32', value: type.argument } },
    },
  });
  return proto;
}

/** A version 8 UUID (RFC 9562: the content is ours) of the bytes. */
function contentId(bytes: Uint8Array): string {
  const hash = createHash('sha256').update('beambridge:schema:').update(bytes).digest();
  hash[6] = (hash[6]! & 0x0f) | 0x80;
  hash[8] = (hash[8]! & 0x3f) | 0x80;
  const hex = hash.toString('hex');
  const cuts = [0, 8, 12, 16, 20, 32];
  return cuts
    .slice(1)
    .map((end, index) => hex.slice(cuts[index], end))
    .join('-');
}
