// SPDX-License-Identifier: Apache-2.0
// Where a bundle writes: at once to whoever comes next, or, where a worker may be lost and the bundle
// run again, to a place of its own until it has succeeded.

import { setImmediate as turn } from 'node:timers/promises';
import { ByteReader } from '../../../../base/index.ts';
import type { WindowedValue } from '../../../../coders/index.ts';
import type { BundleOutput, MaybePromise } from '../../../../harness/index.ts';
import type { Origin } from '../origin.ts';
import type { BundleOwner } from './bundle.ts';

/** Turns of the event loop in which gRPC puts on its way what it was given. */
const TURNS_TO_SEND = 4;

/** Where a bundle writes. */
export class Output implements BundleOutput {
  /** Bytes that are kept now. */
  keptBytes = 0;
  /** Bytes that were kept in all. */
  writtenBytes = 0;
  private kept: [string, Uint8Array][] = [];
  private readonly timers: [string, string, Uint8Array][] = [];

  /**
   * @param origin - of what it is given, see `Block`
   * @param onKept - hears that more is kept
   */
  constructor(
    private readonly owner: BundleOwner,
    private readonly origin: () => Origin | undefined,
    private readonly onKept: () => void = () => {},
  ) {}

  write(transformId: string, data: Uint8Array): MaybePromise<void> {
    if (data.length === 0) return;
    if (!this.owner.executor.canRetry) return this.hand(transformId, data);
    this.kept.push([transformId, data]);
    this.keptBytes += data.length;
    this.writtenBytes += data.length;
    this.onKept();
  }

  close(transformId: string, data: Uint8Array): MaybePromise<void> {
    return this.write(transformId, data);
  }

  showFirst(transformId: string, element: WindowedValue<unknown>): void {
    const { descriptor, trial } = this.owner;
    trial?.sample(descriptor.sinks.get(transformId)!, [element]);
  }

  writeElements(transformId: string, elements: WindowedValue<unknown>[]): MaybePromise<void> {
    const { descriptor, around, trial } = this.owner;
    const pcollection = descriptor.sinks.get(transformId)!;
    trial?.sample(pcollection, elements);
    return around.deliver(pcollection, elements, this.origin());
  }

  closeTimers(transformId: string, timerFamilyId: string, data: Uint8Array): void {
    if (data.length > 0) this.timers.push([transformId, timerFamilyId, data]);
  }

  private hand(transformId: string, data: Uint8Array): MaybePromise<void> {
    const { descriptor, around, wire } = this.owner;
    const pcollection = descriptor.sinks.get(transformId)!;
    const coder = wire.windowedCoder(pcollection);
    const input = new ByteReader(data);
    const elements: WindowedValue<unknown>[] = [];
    while (!input.done) elements.push(coder.decode(input, true));
    return around.deliver(pcollection, elements, this.origin());
  }

  /** Makes timers count; the state that goes with them does already. */
  async commitTimers(): Promise<void> {
    for (const timer of this.timers) await this.owner.timers?.apply(...timer);
  }

  /** Hands on what was kept. */
  async show(): Promise<void> {
    const left = this.kept.reverse();
    this.kept = [];
    for (let piece = left.pop(); piece; piece = left.pop()) {
      // Whoever takes it may compute for long: the next bundle's input goes out before.
      for (let i = 0; i < TURNS_TO_SEND; i++) await turn();
      await this.hand(...piece);
      this.keptBytes -= piece[1].length;
      this.owner.around.wake();
    }
  }
}
