// SPDX-License-Identifier: Apache-2.0
// A PCollection of values that the program holds already.

import {
  BeamBridgeError,
  ByteReader,
  ByteWriter,
  checkOptionNames,
  type OptionNames,
} from '../base/index.ts';
import { type Coder, describeValue, JsCoder, VarIntCoder } from '../coders/index.ts';
import type { PCollection, PTransformClass, Root } from '../pipeline/index.ts';
import { type Accepts, coderOf, type SchemaType } from '../schema/index.ts';
import { impulse } from './impulse.ts';
import { allOf } from './read-once.ts';
import { reshuffle } from './reshuffle.ts';
import { flatMapStep, transform } from './transform.ts';

/** Chunks are the units that can go to different workers. */
const MOST_CHUNKS = 100;
const CHUNK_BYTES = 256 * 1024;

/** Options of {@link create}. */
export interface CreateOptions<T> {
  /** @default the coder for plain JavaScript values */
  coder?: Coder<T>;
  /** The elements' type, in place of a coder. */
  schema?: SchemaType<T>;
  /** Whether later steps may run on several workers. @default true */
  reshuffle?: boolean;
}

const OPTIONS: OptionNames<CreateOptions<unknown>> = { coder: true, schema: true, reshuffle: true };

interface Chunk {
  bytes: Uint8Array;
  count: number;
}

/**
 * A PCollection of these elements.
 *
 * They are encoded when the transform is applied: an element that cannot be is found at once, and
 * changing it afterwards changes nothing. The encoded chunks stay with this program and are found
 * there by the transform's name, as functions are, so they never bloat the pipeline's message; a
 * worker elsewhere makes them again by running the same construction, and fails (`WORKER_MISMATCH`) where others come out.
 *
 * A `schema` says what the elements are, also to the compiler: `'oslo'` is then one of an enumeration's values, where
 * without it is any string, and a tensor may be given as nested arrays.
 *
 * @param options - or, as in the official SDK, whether to reshuffle
 * @throws `CODER_MISMATCH` for an element that the coder cannot write, such as a function
 * @throws `INVALID_ARGUMENT` for what is not iterable, and for an iterator that another create has read
 *
 * @example
 * ```ts
 * const words = root.apply(create(['to', 'be', 'or', 'not']));
 * const visits = root.apply(create([{ city: 'oslo' }], { schema: row({ city: enumeration(['oslo', 'rome']) }) }));
 * ```
 */
export function create<T>(
  elements: Iterable<NoInfer<Accepts<T>>>,
  options: CreateOptions<T> & { readonly schema: SchemaType<T> },
): PTransformClass<Root, PCollection<T>>;
export function create<T>(
  elements: Iterable<T>,
  options?: (CreateOptions<T> & { readonly schema?: undefined }) | boolean,
): PTransformClass<Root, PCollection<T>>;
export function create<T>(
  elements: Iterable<T>,
  options: CreateOptions<T> | boolean = {},
): PTransformClass<Root, PCollection<T>> {
  if (typeof options !== 'boolean') checkOptionNames('create', options, OPTIONS);
  const { reshuffle: spread = true, ...declared } =
    typeof options === 'boolean' ? { reshuffle: options } : options;
  const coder = coderFrom(declared);
  checkIterable(elements);
  // An iterator can be read once, and the transform applied several times.
  let read: readonly T[] | undefined;
  return transform('create', (root, _, node) => {
    read ??= allOf(elements, 'create');
    const chunks = encodeChunks(read, coder);
    node.contents = () => chunks.map(({ bytes }) => bytes);
    if (!spread || chunks.length <= 1) {
      return root
        .apply(impulse())
        .apply(flatMapStep('read', () => decodeAll(chunks, coder), coder));
    }
    return root
      .apply(impulse())
      .apply(flatMapStep('chunks', () => chunks.keys(), new VarIntCoder() as Coder<number>))
      .apply(reshuffle())
      .apply(flatMapStep('read', (index: number) => decodeAll([chunks[index]!], coder), coder));
  });
}

function coderFrom<T>({ coder, schema }: Omit<CreateOptions<T>, 'reshuffle'>): Coder<T> {
  if (coder) return coder;
  return schema ? coderOf(schema) : (new JsCoder() as Coder<unknown> as Coder<T>);
}

function encodeChunks<T>(values: readonly T[], coder: Coder<T>): Chunk[] {
  const most = Math.max(1, Math.ceil(values.length / MOST_CHUNKS));
  const chunks: Chunk[] = [];
  const out = new ByteWriter();
  let count = 0;
  const flush = () => {
    if (count > 0) chunks.push({ bytes: out.take(), count });
    count = 0;
  };
  for (let index = 0; index < values.length; index++) {
    try {
      coder.encode(values[index] as T, out, true);
    } catch (error) {
      throw BeamBridgeError.from(error, 'CODER_MISMATCH').with({
        detail: `it is element ${index} of create, ${describeValue(values[index])}`,
      });
    }
    count += 1;
    if (count >= most || out.length >= CHUNK_BYTES) flush();
  }
  flush();
  return chunks;
}

function* decodeAll<T>(chunks: readonly Chunk[], coder: Coder<T>): Generator<T> {
  for (const { bytes, count } of chunks) {
    const input = new ByteReader(bytes);
    for (let i = 0; i < count; i++) yield coder.decode(input, true);
  }
}

function checkIterable(elements: unknown): void {
  const given = elements as
    | { [Symbol.iterator]?: unknown; [Symbol.asyncIterator]?: unknown; then?: unknown }
    | undefined;
  if (typeof elements !== 'string' && typeof given?.[Symbol.iterator] === 'function') return;
  const waits =
    typeof given?.[Symbol.asyncIterator] === 'function' || typeof given?.then === 'function';
  throw new BeamBridgeError(
    'INVALID_ARGUMENT',
    `create was given ${describeValue(elements)}, not an array or another iterable`,
    {
      hint: waits
        ? 'Collect it into an array first (for await … push), then build the pipeline.'
        : 'Put the elements into an array: create([element]).',
    },
  );
}
