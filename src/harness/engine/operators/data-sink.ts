// SPDX-License-Identifier: Apache-2.0
// The end of a stage: encodes elements, and hands them on in messages of a good size.

import { BeamBridgeError, ByteWriter } from '../../../base/index.ts';
import type { Coder, WindowedValue } from '../../../coders/index.ts';
import type { TransformInfo } from '../errors.ts';
import type { Operator } from '../operator.ts';
import type { BundleScope } from '../scope.ts';
import type { MaybePromise } from '../types.ts';

/** gRPC between processes is fastest with messages of 256 KB to 1 MB. */
const MESSAGE_BYTES = 512 * 1024;

export class DataSink implements Operator {
  readonly isSink = true;
  private readonly buffer = new ByteWriter();

  constructor(
    readonly transformId: string,
    readonly inputs: readonly string[],
    private readonly coder: Coder<WindowedValue<unknown>>,
    private readonly scope: BundleScope,
    /** The transform whose output is written here. */
    private readonly producer: TransformInfo | undefined,
  ) {}

  startBundle(): void {
    // A bundle that failed may have left something.
    this.buffer.reset();
  }

  process(element: WindowedValue<unknown>): MaybePromise<void> {
    const { buffer } = this;
    try {
      this.coder.encode(element, buffer, true);
    } catch (error) {
      throw BeamBridgeError.from(error, 'CODER_MISMATCH').with({ ...this.producer });
    }
    if (buffer.length >= MESSAGE_BYTES) {
      return this.scope.io.output.write(this.transformId, buffer.detach());
    }
  }

  finishBundle(): MaybePromise<void> {
    return this.scope.io.output.close(this.transformId, this.buffer.take());
  }
}
