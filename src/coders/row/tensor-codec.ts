// SPDX-License-Identifier: Apache-2.0
// Codec of tensors in rows. On the wire, and to other SDKs, a tensor of declared shape is the array of
// its elements, and one with open dimensions a row of its shape and that array; elements of one byte
// are bytes. What makes it a tensor is a value form, see value-forms.ts.

import { malformed } from '../describe.ts';
import { sizeOf, Tensor, type TensorElement } from '../tensor.ts';
import { isTypedArrayKind } from '../typed-arrays.ts';
import type { Codec } from './codec.ts';
import type { FieldType, RowFieldsType, TensorType } from './field-type.ts';
import { representationOf } from './field-type.ts';
import { mismatchThat } from './mismatch.ts';
import { copyTensor, type TensorStore, tensorShape, tensorStore } from './tensor-values.ts';

export function tensorCodec(type: TensorType, compile: (type: FieldType) => Codec): Codec {
  const { element } = type;
  const fixed = type.shape.every((size) => size !== null) ? type.shape : undefined;
  const inner = compile(withTypedArrays(representationOf(type)));
  return {
    write(value, out) {
      const shape = tensorShape(type, value);
      const data = tensorStore(element, sizeOf(shape));
      copyTensor(type, value, shape, data, 0);
      const values = isBytes(element) ? bytesOf(data) : data;
      inner.write(fixed ? values : { shape, values }, out);
    },
    read(input) {
      const read = inner.read(input);
      const { shape, values } = fixed
        ? { shape: fixed, values: read }
        : (read as { shape: number[]; values: unknown });
      const data = storeOf(element, values as ArrayLike<number>);
      const fits =
        shape.length === type.shape.length &&
        type.shape.every((size, i) => size === null || size === shape[i]);
      if (!fits || sizeOf(shape) !== data.length) {
        throw mismatchThat(
          `is declared a tensor of shape [${type.shape.join(', ')}] but holds ${data.length} elements${fixed ? '' : ` of shape [${shape.join(', ')}]`}`,
        );
      }
      return new Tensor(element, shape, data as never);
    },
  };
}

/** Elements of one byte travel as bytes: Beam's own byte has a sign in Java and none in Python. */
function isBytes(element: TensorElement): boolean {
  return element === 'uint8' || element === 'byte' || element === 'boolean';
}

function bytesOf(data: TensorStore): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function storeOf(element: TensorElement, values: ArrayLike<number>): TensorStore {
  if (element === 'byte') {
    const bytes = values as unknown as Uint8Array;
    return new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  if (element === 'boolean' && (values as unknown as Uint8Array).some((value) => value > 1)) {
    throw malformed('a tensor of booleans holds zeros and ones');
  }
  // Numbers of int64 come as an array, everything else as the typed array that backs the tensor.
  return element === 'int64' ? Float64Array.from(values) : (values as unknown as TensorStore);
}

/** The same bytes, read into typed arrays where there are such. */
function withTypedArrays(type: FieldType): FieldType {
  if (type.kind === 'array' && isTypedArrayKind(type.element.kind)) return { ...type, typed: true };
  if (type.kind !== 'row') return type;
  const [shape, values] = (type as RowFieldsType).fields;
  return {
    kind: 'row',
    fields: [shape!, { name: values!.name, type: withTypedArrays(values!.type) }],
  };
}
