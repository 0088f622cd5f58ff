// SPDX-License-Identifier: Apache-2.0
// Examples through an ONNX model: shape by shape, in batches of the size that the model takes, which python-env's
// wire/arrays.py and wire/fitting.py do as well.

import type { SchemaType } from '../../schema/index.ts';
import { batchSize, type Elements, elementsOf } from './onnx-elements.ts';
import { portsOf } from './onnx-ports.ts';
import type { OnnxModel, OnnxSession } from './onnx-runtime.ts';
import { inputTensor, noTensor, predictionsOf } from './onnx-tensors.ts';

/** What of the model is asked for, as the handler's options say it. */
export interface OnnxPorts {
  readonly example: SchemaType;
  readonly inference: SchemaType;
  readonly input?: string;
  readonly output?: string;
}

/** The elements of an example for each input. */
type Example = readonly Elements[];

/**
 * One prediction for each example, in order.
 *
 * @throws BeamBridgeError `ROW_MISMATCH`, `INFERENCE_MISMATCH`
 */
export async function predict(
  batch: readonly unknown[],
  model: OnnxModel,
  ports: OnnxPorts,
): Promise<unknown[]> {
  const { inputMetadata } = model.session;
  const names = portsOf(ports.example, ports.input, inputMetadata);
  const isNamed = ports.example.kind === 'row';
  const examples = batch.map((row) =>
    isNamed
      ? names.map((name) => elementsOf((row as Record<string, unknown>)[name]))
      : [elementsOf(row)],
  );
  const groups = byShape(examples);
  const inputs = names.map((name) => inputMetadata.find((port) => port.name === name)!);
  const size = batchSize(inputs);
  const out = new Array<unknown>(batch.length);
  for (const places of groups.values()) {
    for (let start = 0; start < places.length; start += size ?? places.length) {
      const part = places.slice(start, start + (size ?? places.length));
      const filled = part.map((at) => examples[at]!);
      while (size !== undefined && filled.length < size) filled.push(filled.at(-1)!);
      const predictions = await predictBatch(filled, model, ports);
      part.forEach((at, i) => {
        out[at] = predictions[i];
      });
    }
  }
  return out;
}

/** The places of the examples of each shape. */
function byShape(examples: readonly Example[]): Map<string, number[]> {
  const groups = new Map<string, number[]>();
  examples.forEach((parts, at) => {
    const shapes = JSON.stringify(parts.map(({ shape }) => shape));
    const places = groups.get(shapes);
    if (places) places.push(at);
    else groups.set(shapes, [at]);
  });
  return groups;
}

async function predictBatch(
  examples: readonly Example[],
  { runtime, session }: OnnxModel,
  { example, inference, input, output }: OnnxPorts,
): Promise<readonly unknown[]> {
  const { inputMetadata, outputMetadata } = session;
  const feeds = portsOf(example, input, inputMetadata).map((name, at) => {
    const declared = example.kind === 'row' ? example.fields[at]!.type : example;
    const port = inputMetadata.find((each) => each.name === name)!;
    const elements = examples.map((parts) => parts[at]!);
    return [name, inputTensor(runtime, port, declared, elements)] as const;
  });
  const names = portsOf(inference, output, outputMetadata);
  const fetched = await fetch(session, Object.fromEntries(feeds), names);
  const columns = names.map((name, at) => {
    const declared = inference.kind === 'row' ? inference.fields[at]!.type : inference;
    return predictionsOf(name, fetched[name]!, declared, examples.length);
  });
  if (inference.kind !== 'row') return columns[0]!;
  return examples.map((_, i) =>
    Object.fromEntries(names.map((name, at) => [name, columns[at]![i]])),
  );
}

/** The outputs of these names. What a model says of them may be wrong: onnxruntime-node does not say which is no tensor. */
async function fetch(
  session: OnnxSession,
  feeds: Parameters<OnnxSession['run']>[0],
  names: string[],
): ReturnType<OnnxSession['run']> {
  try {
    return await session.run(feeds, names);
  } catch (cause) {
    if (!(cause instanceof Error) || !/non.?tensor/i.test(cause.message)) throw cause;
    throw noTensor(names.join(' or '), cause);
  }
}
