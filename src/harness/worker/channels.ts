// SPDX-License-Identifier: Apache-2.0
// All data and state streams of one worker: one per address, opened when first needed.

import { BeamBridgeError } from '../../base/index.ts';
import { DataChannel } from './data-channel.ts';
import { InboundData } from './inbound.ts';
import { StateChannel } from './state-channel.ts';

/** Bytes of input that may wait in memory, over all bundles. */
const DATA_BUDGET_BYTES = 64 * 1024 * 1024;

/** Options of {@link Channels}. */
export interface ChannelsOptions {
  readonly metadata: Record<string, string>;
  /** Where data goes through when a descriptor does not say. */
  readonly defaultUrl: string;
  /** @default 64 MiB */
  readonly dataBudgetBytes?: number | undefined;
}

export class Channels {
  readonly inbound: InboundData;
  private readonly dataChannels = new Map<string, DataChannel>();
  private readonly stateChannels = new Map<string, StateChannel>();
  private paused = false;

  constructor(private readonly options: ChannelsOptions) {
    this.inbound = new InboundData({
      budgetBytes: options.dataBudgetBytes ?? DATA_BUDGET_BYTES,
      onPause: (paused) => {
        this.paused = paused;
        for (const channel of this.dataChannels.values()) channel.setPaused(paused);
      },
    });
  }

  data(url: string): DataChannel {
    const address = url || this.options.defaultUrl;
    let channel = this.dataChannels.get(address);
    if (!channel) {
      channel = new DataChannel({
        url: address,
        metadata: this.options.metadata,
        onElements: (elements) => this.inbound.accept(elements),
        onLost: (error) => {
          // The next bundle opens a stream anew.
          this.dataChannels.delete(address);
          this.inbound.fail(error);
        },
      });
      if (this.paused) channel.setPaused(true);
      this.dataChannels.set(address, channel);
    }
    return channel;
  }

  state(url: string): StateChannel {
    let channel = this.stateChannels.get(url);
    if (!channel) {
      channel = new StateChannel(url, this.options.metadata, () => this.stateChannels.delete(url));
      this.stateChannels.set(url, channel);
    }
    return channel;
  }

  /** Fails everything that waits for the runner. */
  fail(error: BeamBridgeError): void {
    this.inbound.fail(error);
    for (const channel of this.dataChannels.values()) channel.fail(error);
    for (const channel of this.stateChannels.values()) channel.fail(error);
  }

  async close(): Promise<void> {
    const error = new BeamBridgeError('ABORTED', 'the worker has ended');
    const all = [...this.dataChannels.values(), ...this.stateChannels.values()];
    await Promise.all(all.map((channel) => channel.close(error)));
  }
}
