// SPDX-License-Identifier: Apache-2.0
// What a model gave, as it was when the model gave it: a model may fill one object in each call.

import { BeamBridgeError } from '../../base/index.ts';
import { ownCopyOr } from '../../coders/index.ts';
import type { SchemaType } from '../../schema/index.ts';
import { isMisfit } from '../failures/dead-letters.ts';
import { ColumnCodec } from '../packing/columns.ts';

export class OwnPredictions {
  private readonly codec: ColumnCodec;

  /** @param what - gives the predictions, as errors call it */
  constructor(
    type: SchemaType,
    private readonly what: string,
  ) {
    this.codec = new ColumnCodec('inference', type);
  }

  /** One that its type refuses throws where it is written: only there is it known which row fails by it. */
  copyOf(prediction: unknown): unknown {
    try {
      return ownCopyOr(prediction, (value) => this.codec.transcoded(value));
    } catch (error) {
      return refused(this.explained(error));
    }
  }

  private explained(error: unknown): unknown {
    if (!isMisfit(error)) return error;
    return new BeamBridgeError('INFERENCE_MISMATCH', error.shortMessage, {
      hint: `Declare the type that the model gives, or convert in ${this.what}.`,
    });
  }
}

/** Stands for a value: whoever looks at it hears why it cannot be had. */
function refused(error: unknown): object {
  const refuse = (): never => {
    throw error;
  };
  return new Proxy({}, { get: refuse, has: refuse, getPrototypeOf: refuse, ownKeys: refuse });
}
