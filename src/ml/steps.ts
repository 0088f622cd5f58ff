// SPDX-License-Identifier: Apache-2.0
// The steps of a RunInference: pack, Python's transform on packed batches, unpack.

import { BytesCoder, type Coder } from '../coders/index.ts';
import {
  MultiParDo,
  P,
  type PCollection,
  type PTransformClass,
  type UserFunction,
} from '../pipeline/index.ts';
import { flatten } from '../transforms/index.ts';
import { type DeadLettered, type FailedInference, REJECTED } from './dead-letters.ts';

/** Python's transform, which takes and gives packed batches, or what stands in for it. */
export type Packed = PTransformClass<PCollection<Uint8Array>, PCollection<Uint8Array>>;

/** The same transform under a name of its own. */
export function step<T extends { beamName: string | (() => string) }>(
  transform: T,
  name: string,
): T {
  transform.beamName = name;
  return transform;
}

/** Packs, predicts and unpacks, with every element that fails on the way beside the predictions. */
export function withFailed<InputT, OutputT>(
  input: PCollection<InputT>,
  pack: UserFunction,
  external: Packed,
  unpack: UserFunction,
  coder: Coder<OutputT>,
): DeadLettered<InputT, OutputT> {
  type Failed = FailedInference<InputT>;
  const { packed, rejected } = input.apply(
    step(
      new MultiParDo<InputT, { packed: Uint8Array; rejected: Failed }>(pack, 'packed', [REJECTED], {
        packed: new BytesCoder(),
      }),
      'Pack',
    ),
  );
  const { predictions, failed } = packed
    .apply(external)
    .apply(
      step(
        new MultiParDo<Uint8Array, { predictions: OutputT; failed: Failed }>(
          unpack,
          'predictions',
          ['failed'],
          { predictions: coder },
        ),
        'Unpack',
      ),
    );
  return { predictions, failed: P([rejected, failed]).apply(flatten<Failed>()) };
}
