// SPDX-License-Identifier: Apache-2.0
// Which inputs and outputs of an ONNX model a declared type is about.

import type { SchemaType } from '../../schema/index.ts';
import type { OnnxPort } from './onnx-runtime.ts';

/** The names of the inputs or outputs that a declared type is about. */
export function portsOf(
  type: SchemaType,
  named: string | undefined,
  ports: readonly { name: string }[],
): string[] {
  if (type.kind === 'row') return type.fields.map(({ name }) => name);
  return [named ?? ports[0]!.name];
}

/** Whether the output of a name is a tensor, which is all that onnxruntime-node reads. */
export function isTensor(name: string, ports: readonly OnnxPort[]): boolean {
  return ports.find((port) => port.name === name)?.isTensor !== false;
}

/** Types whose values lie packed, two in a byte: onnxruntime-node ends the whole program when it makes arrays of them. */
const PACKED: ReadonlySet<string> = new Set(['int4', 'uint4']);

/** Whether the output of a name can be read without harm. */
export function isReadable(name: string, ports: readonly OnnxPort[]): boolean {
  return !PACKED.has(ports.find((port) => port.name === name)?.type ?? '');
}
