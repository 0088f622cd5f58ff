// SPDX-License-Identifier: Apache-2.0
// Examples as flat elements with a shape, and the shapes that a model's inputs take.

import { BeamBridgeError } from '../../base/index.ts';
import type { OnnxPort } from './onnx-runtime.ts';

/** The elements of one example, and their shape. */
export interface Elements {
  readonly flat: ArrayLike<unknown>;
  readonly shape: readonly number[];
}

/**
 * A value with its shape: numbers and texts, lists of them, lists of lists, tensors.
 *
 * @throws BeamBridgeError `ROW_MISMATCH` for lists of several lengths in one
 */
export function elementsOf(value: unknown): Elements {
  if (ArrayBuffer.isView(value)) {
    const flat = value as unknown as ArrayLike<number>;
    return { flat, shape: [flat.length] };
  }
  if (Array.isArray(value)) {
    if (!value.some(hasShape)) return { flat: value, shape: [value.length] };
    const parts = value.map(elementsOf);
    const { shape } = parts[0]!;
    const odd = parts.find((part) => !isSameShape(part.shape, shape));
    if (odd) {
      throw new BeamBridgeError(
        'ROW_MISMATCH',
        `an example is a list of lists of the shapes ${described(shape)} and ${described(odd.shape)}, which is no tensor`,
        { hint: 'Give the lists of an example one length: cut them, or fill them up.' },
      );
    }
    return {
      flat: parts.flatMap(({ flat }) => Array.from(flat)),
      shape: [value.length, ...shape],
    };
  }
  const tensor = value as { data?: unknown; shape?: unknown } | null;
  if (typeof tensor === 'object' && ArrayBuffer.isView(tensor?.data)) {
    return { flat: tensor.data as never, shape: tensor.shape as number[] };
  }
  return { flat: [value], shape: [] };
}

const hasShape = (value: unknown) =>
  Array.isArray(value) ||
  ArrayBuffer.isView(value) ||
  ArrayBuffer.isView((value as { data?: unknown } | null)?.data);

export const isSameShape = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length && a.every((size, i) => size === b[i]);

export const described = (shape: readonly unknown[]) => `[${shape.join(', ')}]`;

/** The length of a dimension where the model knows only one. */
const fixed = (size: number | string) => (typeof size === 'number' && size > 0 ? size : undefined);

/**
 * The shape of one example as the model wants it: a flat list may stand for any shape of its size.
 *
 * @throws BeamBridgeError `ROW_MISMATCH`
 */
export function fittedShape(port: OnnxPort, { shape, flat }: Elements): readonly number[] {
  const inner = port.shape?.slice(1).map(fixed);
  if (!inner || port.shape!.length === 0) return shape;
  const fits = inner.every((size, i) => size === undefined || size === shape[i]);
  if (shape.length === inner.length && fits) return shape;
  const isFixed = inner.every((size) => size !== undefined);
  const product = inner.reduce<number>((a, b) => a * (b ?? 1), 1);
  if (shape.length <= 1 && isFixed && product === flat.length) return inner as number[];
  throw new BeamBridgeError(
    'ROW_MISMATCH',
    `an example has the shape ${described(shape)}, and the input ${port.name} of the model takes ${described(port.shape!.slice(1))}`,
    { hint: 'Change the declared example type, or the elements, to what the model takes.' },
  );
}

/** The only size of a batch that a model takes, if there is one. */
export function batchSize(ports: readonly OnnxPort[]): number | undefined {
  const sizes = new Set(
    ports.flatMap(({ shape }) => (shape?.length ? [fixed(shape[0]!)] : [])).filter((s) => s),
  );
  return sizes.size === 1 ? [...sizes][0] : undefined;
}
