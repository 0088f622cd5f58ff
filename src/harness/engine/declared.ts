// SPDX-License-Identifier: Apache-2.0
// Outputs whose type a program declared: checked where they come out, whether or not a runner would
// ever encode them.

import { BeamBridgeError } from '../../base/index.ts';
import { type Coder, transcode, type WindowedValue } from '../../coders/index.ts';
import type { TransformInfo } from './errors.ts';
import { type Taker, withValue } from './operator.ts';
import type { MaybePromise } from './types.ts';

/** Hands elements on as their coder makes them. */
export class Declared implements Taker {
  constructor(
    private readonly next: Taker,
    private readonly coder: Coder<unknown>,
    private readonly info: TransformInfo,
  ) {}

  receive(element: WindowedValue<unknown>): MaybePromise<void> {
    return this.next.receive(withValue(element, this.checked(element.value)));
  }

  receiveValue(value: unknown, from: WindowedValue<unknown>): MaybePromise<void> {
    return this.next.receiveValue(this.checked(value), from);
  }

  private checked(value: unknown): unknown {
    try {
      return transcode(this.coder, value);
    } catch (error) {
      throw BeamBridgeError.from(error, 'CODER_MISMATCH').with({ ...this.info });
    }
  }
}
