// SPDX-License-Identifier: Apache-2.0
// One data stream to the runner: the elements of all bundles, both ways.

import { BeamBridgeError } from '../../base/index.ts';
import { create, createClient, fn, type MessageInitShape } from '../../proto/index.ts';
import type { MaybePromise } from '../engine/index.ts';
import { endCall, watchCall } from './calls.ts';

type ElementsInit = MessageInitShape<typeof fn.ElementsSchema>;

/** Options of a {@link DataChannel}. */
export interface DataChannelOptions {
  readonly url: string;
  readonly metadata: Record<string, string>;
  readonly onElements: (elements: fn.Elements) => void;
  /** Called once when the stream ends without having been closed here. */
  readonly onLost: (error: BeamBridgeError) => void;
}

export class DataChannel {
  private readonly client;
  private readonly call;
  private lost: BeamBridgeError | undefined;
  private draining: { promise: Promise<void>; reject: (error: Error) => void } | undefined;

  constructor(private readonly options: DataChannelOptions) {
    this.client = createClient(fn.BeamFnData, options.url, { metadata: options.metadata });
    this.call = watchCall(this.client.data(), (error) => this.lose(error));
    this.call.on('data', options.onElements);
  }

  private lose(cause?: Error): void {
    if (this.lost) return;
    const error = new BeamBridgeError(
      'ABORTED',
      `the data stream to the runner at ${this.options.url} ended`,
      { cause },
    );
    this.fail(error);
    this.options.onLost(error);
  }

  /** Fails all that waits and all that is still sent. */
  fail(error: BeamBridgeError): void {
    this.lost ??= error;
    this.draining?.reject(this.lost);
    this.draining = undefined;
  }

  setPaused(paused: boolean): void {
    if (paused) this.call.pause();
    else this.call.resume();
  }

  /** Sends a message; a promise says that the runner is slower than we are and must be awaited. */
  send(elements: ElementsInit): MaybePromise<void> {
    if (this.lost) return Promise.reject(this.lost);
    if (this.call.write(create(fn.ElementsSchema, elements))) return;
    this.draining ??= this.drain();
    return this.draining.promise;
  }

  private drain() {
    let reject: (error: Error) => void = () => {};
    const promise = new Promise<void>((resolve, fail) => {
      reject = fail;
      this.call.once('drain', () => {
        this.draining = undefined;
        resolve();
      });
    });
    // Several bundles may wait for it, or none any more.
    promise.catch(() => {});
    return { promise, reject };
  }

  async close(error: BeamBridgeError): Promise<void> {
    this.fail(error);
    await endCall(this.call);
    this.client.close();
  }
}
