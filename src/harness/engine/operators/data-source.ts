// SPDX-License-Identifier: Apache-2.0
// The beginning of a stage: decodes what the runner sends, and stops early when it was split.

import { BeamBridgeError, ByteReader, yieldIfDue } from '../../../base/index.ts';
import type { Coder, WindowedValue } from '../../../coders/index.ts';
import type { TransformInfo } from '../errors.ts';
import { type MonitoringInfo, readIndex } from '../metrics.ts';
import type { Operator, Receiver } from '../operator.ts';
import { elementFraction, splitIndex } from '../split.ts';
import type { ChannelSplit, DesiredSplit, MaybePromise } from '../types.ts';

/** Elements between looks at the clock. */
const ELEMENTS_PER_LOOK = 16;

export class DataSource implements Operator {
  readonly inputs: readonly string[] = [];
  private index = -1;
  private stop = Number.POSITIVE_INFINITY;
  private running = false;

  constructor(
    readonly transformId: string,
    /** Undefined when elements come as they are. */
    private readonly coder: Coder<WindowedValue<unknown>> | undefined,
    private readonly out: Receiver,
    private readonly info: TransformInfo,
  ) {}

  startBundle(): void {
    this.index = -1;
    this.stop = Number.POSITIVE_INFINITY;
    this.running = true;
  }

  /** Never called: elements come in by {@link consume}. */
  process(): void {}

  finishBundle(): void {
    this.index += 1;
    this.running = false;
  }

  /** Ends the source at once; the elements that are left are not read. */
  abort(): void {
    this.stop = Number.NEGATIVE_INFINITY;
  }

  /** Sends a chunk's elements downstream, one after the other. */
  consume(data: Uint8Array): void | Promise<void> {
    const input = new ByteReader(data);
    while (!input.done && this.index < this.stop - 1) {
      const pending = this.next(input);
      if (pending) return this.consumeRest(pending, input);
    }
  }

  private async consumeRest(pending: Promise<void>, input: ByteReader): Promise<void> {
    await pending;
    while (!input.done && this.index < this.stop - 1) {
      const later = this.next(input);
      if (later) await later;
    }
  }

  /** As {@link consume}, of elements that were never encoded. */
  consumeElements(elements: readonly WindowedValue<unknown>[]): MaybePromise<void> {
    for (let i = 0; i < elements.length && this.index < this.stop - 1; i++) {
      const pending = this.send(elements[i]!);
      if (pending) return this.restOfElements(pending, elements, i + 1);
    }
  }

  private async restOfElements(
    pending: Promise<void>,
    elements: readonly WindowedValue<unknown>[],
    from: number,
  ): Promise<void> {
    await pending;
    for (let i = from; i < elements.length && this.index < this.stop - 1; i++) {
      const later = this.send(elements[i]!);
      if (later) await later;
    }
  }

  private next(input: ByteReader): void | Promise<void> {
    return this.send(this.decode(input));
  }

  private send(element: WindowedValue<unknown>): void | Promise<void> {
    this.index += 1;
    const pending = this.out.receive(element);
    if (this.index % ELEMENTS_PER_LOOK !== 0) return pending;
    // Progress and split requests wait for the event loop, and so does whoever wants an end.
    return pending ? pending.then(yieldIfDue) : yieldIfDue();
  }

  private decode(input: ByteReader): WindowedValue<unknown> {
    const { coder } = this;
    if (!coder) {
      throw new BeamBridgeError('HARNESS_PROTOCOL', 'bytes came for a source without a coder');
    }
    try {
      return coder.decode(input, true);
    } catch (error) {
      throw BeamBridgeError.from(error, 'MALFORMED_DATA').with({
        ...this.info,
        hint: `The input of this stage is read as ${coder.name}: an earlier step wrote something else.`,
      });
    }
  }

  /** Gives back the elements from some index on. */
  split(desired: DesiredSplit): ChannelSplit | undefined {
    if (!this.running) return undefined;
    const { index, stop, transformId, out } = this;
    const progress = index < 0 ? undefined : out.fractionCompleted();
    const at = { index, stop, progress };
    const fraction = elementFraction(at, desired);
    const cut = fraction === undefined ? undefined : out.trySplit(fraction);
    if (cut) {
      this.stop = index + 1;
      return {
        transformId,
        lastPrimaryElement: index - 1,
        firstResidualElement: index + 1,
        ...cut,
      };
    }
    const first = splitIndex(at, desired);
    if (first === undefined) return undefined;
    this.stop = first;
    return {
      transformId,
      lastPrimaryElement: first - 1,
      firstResidualElement: first,
      primaryRoots: [],
      residualRoots: [],
    };
  }

  monitoringInfos(): MonitoringInfo[] {
    return [readIndex(this.transformId, this.index)];
  }
}
