// SPDX-License-Identifier: Apache-2.0
// One bundle in a thread, as the runner sees it: the thread asks for input and hands over output, one piece after
// the other.

import { BeamBridgeError } from '../../base/index.ts';
import type {
  BundleIO,
  BundleResult,
  ChannelSplit,
  DesiredSplit,
  MonitoringInfo,
  TransformInfo,
} from '../../harness/index.ts';
import { type Chunk, type FromThread, MOST_UNTAKEN, movable, type ToThread } from './messages.ts';
import { fromPlainError, toPlainError } from './plain-error.ts';

/** What a thread tells of one bundle. */
export type OfBundle = Extract<FromThread, { bundle: number }>;

export class ThreadBundle {
  readonly done: Promise<BundleResult>;
  private resolve!: (result: BundleResult) => void;
  private reject!: (error: unknown) => void;
  private infos: readonly MonitoringInfo[] = [];
  private place: TransformInfo | undefined;
  private isAsking = false;
  private untaken = 0;
  /** What was handed over is taken in its order. */
  private taking: Promise<void> = Promise.resolve();
  private readonly splits: ((splits: ChannelSplit[]) => void)[] = [];
  isOver = false;

  /** @param send - says something to the bundle's thread */
  constructor(
    private readonly id: number,
    private readonly io: BundleIO,
    private readonly send: (message: ToThread, moved?: readonly ArrayBuffer[]) => void,
    private readonly changed: () => void,
    private readonly stuck: (where: TransformInfo | undefined) => BeamBridgeError,
  ) {
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Whoever holds the bundle awaits `done`; that may be after this turn.
    this.done.catch(() => {});
  }

  /** Whether its thread waits for something of this one. */
  get isAwaited(): boolean {
    return this.isAsking || this.untaken >= MOST_UNTAKEN;
  }

  take(message: OfBundle): void {
    if (this.isOver) return;
    switch (message.kind) {
      case 'next':
        void this.feed();
        break;
      case 'giveWay':
        this.io.input.giveWay?.();
        break;
      case 'output':
        this.untaken += 1;
        this.taking = this.taking.then(() => this.write(message.chunk));
        break;
      case 'splits':
        this.splits.shift()?.([...message.splits]);
        break;
      case 'progress':
        this.infos = message.infos;
        this.place = message.atWork;
        break;
      case 'done':
        void this.taking.then(() => this.end(() => this.succeed(message.infos)));
        break;
      case 'failed':
        this.fail(fromPlainError(message.error));
        break;
      case 'stuck':
        this.abort(this.stuck(message.atWork));
    }
  }

  private succeed(monitoringInfos: readonly MonitoringInfo[]): void {
    this.resolve({ monitoringInfos: [...monitoringInfos], finalizers: [], residuals: [] });
  }

  private async feed(): Promise<void> {
    this.isAsking = true;
    this.changed();
    try {
      const chunk = await this.io.input.next();
      this.isAsking = false;
      if (this.isOver) return;
      if (!chunk) this.send({ kind: 'input', bundle: this.id, chunk });
      else if ('elements' in chunk) {
        throw new BeamBridgeError('INTERNAL', 'a thread was given elements without bytes');
      } else {
        const { data, moved } = movable(chunk.data);
        const { transformId } = chunk;
        this.send({ kind: 'input', bundle: this.id, chunk: { transformId, data } }, moved);
      }
      this.changed();
    } catch (error) {
      this.abort(BeamBridgeError.from(error));
    }
  }

  private async write({ transformId, data }: Chunk): Promise<void> {
    if (this.isOver) return;
    try {
      await this.io.output.write(transformId, data);
      this.untaken -= 1;
      this.send({ kind: 'taken', bundle: this.id });
      this.changed();
    } catch (error) {
      this.abort(BeamBridgeError.from(error));
    }
  }

  monitoringInfos(): MonitoringInfo[] {
    return this.isOver ? [] : [...this.infos];
  }

  atWork(): TransformInfo | undefined {
    return this.isOver ? undefined : this.place;
  }

  async split(desired: ReadonlyMap<string, DesiredSplit>): Promise<ChannelSplit[]> {
    if (this.isOver) return [];
    this.send({ kind: 'split', bundle: this.id, desired });
    return new Promise((resolve) => {
      this.splits.push(resolve);
    });
  }

  /** Ends it here at once; its thread hears of it when the function at work lets it. */
  abort(error: Error): void {
    if (this.isOver) return;
    this.send({ kind: 'abort', bundle: this.id, error: toPlainError(error) });
    this.fail(error);
  }

  /** Its thread is gone, or it has failed there. */
  fail(error: unknown): void {
    this.end(() => this.reject(error));
  }

  private end(settle: () => void): void {
    if (this.isOver) return;
    this.isOver = true;
    for (const resolve of this.splits.splice(0)) resolve([]);
    settle();
    this.changed();
  }
}
