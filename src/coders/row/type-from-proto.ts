// SPDX-License-Identifier: Apache-2.0
// Beam's schema messages to types.

import { BeamBridgeError } from '../../base/index.ts';
import { pb, toBinary } from '../../proto/index.ts';
import {
  type AtomicKind,
  type FieldType,
  type LogicalType,
  type NullableType,
  type RowFieldsType,
  representationOf,
  sameType,
  type TensorType,
} from './field-type.ts';
import { NO_FORMS, partPath, type ValueForms, valueFormsFromOptions } from './value-forms.ts';

const KINDS = new Map<pb.AtomicType, AtomicKind>([
  [pb.AtomicType.BYTE, 'byte'],
  [pb.AtomicType.INT16, 'int16'],
  [pb.AtomicType.INT32, 'int32'],
  [pb.AtomicType.INT64, 'int64'],
  [pb.AtomicType.FLOAT, 'float32'],
  [pb.AtomicType.DOUBLE, 'float64'],
  [pb.AtomicType.STRING, 'string'],
  [pb.AtomicType.BOOLEAN, 'boolean'],
  [pb.AtomicType.BYTES, 'bytes'],
]);

/**
 * The row type of a schema message. Logical types that are not known here keep their URN and have
 * the values of their representation.
 *
 * @throws BeamBridgeError `INVALID_SCHEMA` when a field has no type that can be represented, as
 *   Python's `Any`
 */
export function schemaFromProto(schema: pb.Schema): RowFieldsType {
  const fields = schema.fields.map((field) => ({
    name: field.name,
    type: fieldTypeFromProto(field.type, field.name, valueFormsFromOptions(field.options), ''),
  }));
  const proto = toBinary(pb.SchemaSchema, schema);
  const encodingOrder = orderOf(schema);
  return { kind: 'row', fields, proto, ...(encodingOrder ? { encodingOrder } : {}) };
}

/** The fields in the order of their bytes, when that is not their own order. */
function orderOf(schema: pb.Schema): readonly number[] | undefined {
  if (!schema.encodingPositionsSet) return undefined;
  const order = new Array<number>(schema.fields.length).fill(-1);
  for (const [index, { encodingPosition }] of schema.fields.entries()) {
    if (order[encodingPosition] !== -1) {
      throw new BeamBridgeError(
        'INVALID_SCHEMA',
        `schema ${schema.id} has encoding positions that are not 0 to ${order.length - 1}, each once`,
      );
    }
    order[encodingPosition] = index;
  }
  return order.every((position, index) => position === index) ? undefined : order;
}

function fieldTypeFromProto(
  type: pb.FieldType | undefined,
  name: string,
  forms: ValueForms,
  path: string,
): FieldType {
  const bare = bareTypeFromProto(type, name, forms, path);
  return type?.nullable ? { kind: 'nullable', value: bare } : bare;
}

function bareTypeFromProto(
  type: pb.FieldType | undefined,
  name: string,
  forms: ValueForms,
  path: string,
): NullableType['value'] {
  const part = (of: pb.FieldType | undefined, step: 'e' | 'k' | 'v') =>
    fieldTypeFromProto(of, name, forms, partPath(path, step));
  const form = forms.get(path);
  if (typeof form === 'object' && 'tensor' in form) {
    const tensor: TensorType = { kind: 'tensor', element: form.tensor, shape: form.shape };
    const bare = bareTypeFromProto(type, name, NO_FORMS, path);
    // An option that no longer fits its field says nothing.
    return sameType(bare, representationOf(tensor)) ? tensor : bare;
  }
  const info = type?.typeInfo;
  switch (info?.case) {
    case 'atomicType':
      return atomicFromProto(info.value, name, form);
    case 'arrayType': {
      const element = part(info.value.elementType, 'e');
      return form === 'typed'
        ? { kind: 'array', element, typed: true }
        : { kind: 'array', element };
    }
    case 'iterableType':
      return { kind: 'iterable', element: part(info.value.elementType, 'e') };
    case 'mapType':
      return {
        kind: 'map',
        key: part(info.value.keyType, 'k'),
        value: part(info.value.valueType, 'v'),
      };
    case 'rowType':
      if (!info.value.schema) throw noType(name);
      return schemaFromProto(info.value.schema);
    case 'logicalType':
      return logicalFromProto(info.value, name, forms, path);
    default:
      throw noType(name);
  }
}

function atomicFromProto(
  atomic: pb.AtomicType,
  name: string,
  form: ReturnType<ValueForms['get']>,
): NullableType['value'] {
  const kind = KINDS.get(atomic);
  if (!kind) throw noType(name);
  if (kind === 'int64' && form === 'bigint') return { kind: 'bigint64' };
  if (kind === 'string' && typeof form === 'object' && 'enumeration' in form) {
    return { kind: 'enumeration', values: form.enumeration };
  }
  return { kind };
}

function logicalFromProto(
  logical: pb.LogicalType,
  name: string,
  forms: ValueForms,
  path: string,
): LogicalType {
  const representation = fieldTypeFromProto(
    logical.representation,
    `${name} (logical type ${logical.urn})`,
    forms,
    path,
  );
  const argument = logical.argument?.fieldValue;
  const int32 = argument?.case === 'atomicValue' ? argument.value.value : undefined;
  return {
    kind: 'logical',
    urn: logical.urn,
    representation,
    proto: toBinary(pb.LogicalTypeSchema, logical),
    ...(int32?.case === 'int32' ? { argument: int32.value } : {}),
  };
}

function noType(name: string): BeamBridgeError {
  return new BeamBridgeError(
    'INVALID_SCHEMA',
    `field ${name} has a type without a representation`,
    {
      hint: 'In Python, declare the type of the field: Any and unknown classes have no portable form.',
    },
  );
}
