// SPDX-License-Identifier: Apache-2.0
// Tensors as lists in lists, one for each dimension: Parquet has no grids.

import {
  copyTensor,
  sizeOf,
  type TensorElement,
  type TensorType,
  tensorShape,
  tensorStore,
} from '../../coders/index.ts';
import { Unwritable } from '../records/write-type.ts';
import type { SchemaElement } from './package.ts';
import { listOf, type Tally, type WrittenPart } from './written-part.ts';

/** How an element lies in a file. */
interface TensorLeaf {
  readonly type: string;
  readonly converted_type?: string;
  readonly bytes: number;
  of(stored: unknown): unknown;
}

const same = (stored: unknown) => stored;

const LEAVES: Readonly<Record<TensorElement, TensorLeaf>> = {
  float32: { type: 'FLOAT', bytes: 4, of: same },
  float64: { type: 'DOUBLE', bytes: 8, of: same },
  byte: { type: 'INT32', converted_type: 'INT_8', bytes: 4, of: same },
  uint8: { type: 'INT32', converted_type: 'UINT_8', bytes: 4, of: same },
  int16: { type: 'INT32', converted_type: 'INT_16', bytes: 4, of: same },
  int32: { type: 'INT32', bytes: 4, of: same },
  int64: { type: 'INT64', bytes: 8, of: (stored) => BigInt(stored as number) },
  bigint64: { type: 'INT64', bytes: 8, of: same },
  boolean: { type: 'BOOLEAN', bytes: 1, of: (stored) => Boolean(stored) },
};

/** A column of tensors. */
export function tensorLists(base: SchemaElement, type: TensorType): WrittenPart {
  const { of, bytes, ...leaf } = LEAVES[type.element];
  const rank = type.shape.length;
  const inside = { name: 'element', repetition_type: 'REQUIRED' };
  let elements: readonly SchemaElement[] = [{ ...(rank === 0 ? base : inside), ...leaf }];
  for (let left = rank; left > 0; left--) elements = listOf(left === 1 ? base : inside, elements);
  return {
    elements,
    raw(value, tally) {
      const { shape, data } = flat(type, value);
      tally.bytes += bytes * data.length;
      let next = 0;
      const take = (dimension: number): unknown => {
        if (dimension === rank) return element(data[next++], of, tally);
        return Array.from({ length: shape[dimension]! }, () => take(dimension + 1));
      };
      return take(0);
    },
  };
}

function element(stored: unknown, of: (stored: unknown) => unknown, tally: Tally): unknown {
  const raw = of(stored);
  if (Object.is(raw, -0)) tally.hasNegativeZero = true;
  return raw;
}

function flat(type: TensorType, value: unknown) {
  try {
    const shape = tensorShape(type, value);
    const data = tensorStore(type.element, sizeOf(shape));
    copyTensor(type, value, shape, data, 0);
    return { shape, data };
  } catch {
    // The row's coder says what is wrong, in which field.
    throw new Unwritable();
  }
}
