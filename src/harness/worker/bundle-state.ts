// SPDX-License-Identifier: Apache-2.0
// What one bundle may read from the runner's state, by way of a state stream.

import { BeamBridgeError, latin1 } from '../../base/index.ts';
import type { fn } from '../../proto/index.ts';
import type { BundleState, SideInputKey, UserState, UserStateKey } from '../engine/index.ts';
import type { StateChannel, StateKeyInit } from './state-channel.ts';

export class GrpcBundleState implements BundleState {
  private readonly tokens = new Map<string, string>();

  constructor(
    private readonly instructionId: string,
    /** Opens the stream when it is first needed: most bundles read no state. */
    private readonly channel: () => StateChannel | undefined,
    cacheTokens: readonly fn.ProcessBundleRequest_CacheToken[],
  ) {
    for (const { type, token } of cacheTokens) {
      if (type.case !== 'sideInput') continue;
      const { transformId, sideInputId } = type.value;
      this.tokens.set(pair(transformId, sideInputId), latin1(token));
    }
  }

  cacheToken({ transformId, sideInputId }: SideInputKey): string | undefined {
    return this.tokens.get(pair(transformId, sideInputId));
  }

  sideInput(key: SideInputKey): AsyncIterable<Uint8Array> {
    return this.open().read(this.instructionId, {
      type: { case: 'iterableSideInput', value: key },
    });
  }

  iterable(token: Uint8Array): AsyncIterable<Uint8Array> {
    return this.open().read(this.instructionId, {
      type: { case: 'runner', value: { key: token } },
    });
  }

  readonly user: UserState = {
    read: (key) => this.open().read(this.instructionId, bag(key)),
    append: async (key, data) => {
      await this.open().request(this.instructionId, bag(key), { case: 'append', value: { data } });
    },
    clear: async (key) => {
      await this.open().request(this.instructionId, bag(key), { case: 'clear', value: {} });
    },
  };

  private open(): StateChannel {
    const channel = this.channel();
    if (channel) return channel;
    throw new BeamBridgeError(
      'HARNESS_PROTOCOL',
      'the runner did not say where it keeps state, yet this stage must read some',
    );
  }
}

function bag(value: UserStateKey): StateKeyInit {
  return { type: { case: 'bagUserState', value } };
}

function pair(transformId: string, sideInputId: string): string {
  return JSON.stringify([transformId, sideInputId]);
}
