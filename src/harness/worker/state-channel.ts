// SPDX-License-Identifier: Apache-2.0
// One state stream to the runner: requests by id, many of them open at once.

import { BeamBridgeError } from '../../base/index.ts';
import { create, createClient, fn, type MessageInitShape } from '../../proto/index.ts';
import { endCall, watchCall } from './calls.ts';

export type StateKeyInit = MessageInitShape<typeof fn.StateKeySchema>;

/** What can be asked about a state key. */
export type StateQuestion = Extract<
  NonNullable<MessageInitShape<typeof fn.StateRequestSchema>['request']>,
  { case: 'get' | 'append' | 'clear' }
>;

interface Pending {
  resolve(response: fn.StateResponse): void;
  reject(error: Error): void;
}

export class StateChannel {
  private readonly client;
  private readonly call;
  private readonly pending = new Map<string, Pending>();
  private lost: BeamBridgeError | undefined;
  private lastId = 0;

  constructor(
    private readonly url: string,
    metadata: Record<string, string>,
    private readonly onLost: () => void,
  ) {
    this.client = createClient(fn.BeamFnState, url, { metadata });
    this.call = watchCall(this.client.state(), (error) => this.lose(error));
    this.call.on('data', (response: fn.StateResponse) => this.answer(response));
  }

  private answer(response: fn.StateResponse): void {
    const waiting = this.pending.get(response.id);
    this.pending.delete(response.id);
    if (!response.error) waiting?.resolve(response);
    else {
      waiting?.reject(
        new BeamBridgeError('HARNESS_PROTOCOL', 'the runner could not answer for state', {
          detail: response.error,
        }),
      );
    }
  }

  private lose(cause?: Error): void {
    if (this.lost) return;
    this.fail(
      new BeamBridgeError('ABORTED', `the state stream to the runner at ${this.url} ended`, {
        cause,
      }),
    );
    this.onLost();
  }

  /** Fails all open requests and all later ones. */
  fail(error: BeamBridgeError): void {
    this.lost ??= error;
    for (const { reject } of this.pending.values()) reject(this.lost);
    this.pending.clear();
  }

  /** @throws `HARNESS_PROTOCOL` when the runner cannot answer, `ABORTED` when it is gone */
  request(
    instructionId: string,
    stateKey: StateKeyInit,
    request: StateQuestion,
  ): Promise<fn.StateResponse> {
    return new Promise((resolve, reject) => {
      if (this.lost) {
        reject(this.lost);
        return;
      }
      this.lastId += 1;
      const id = String(this.lastId);
      this.pending.set(id, { resolve, reject });
      this.call.write(create(fn.StateRequestSchema, { id, instructionId, stateKey, request }));
    });
  }

  /** All bytes under a key, page after page. */
  async *read(instructionId: string, stateKey: StateKeyInit): AsyncGenerator<Uint8Array> {
    let continuationToken = new Uint8Array();
    do {
      const { response } = await this.request(instructionId, stateKey, {
        case: 'get',
        value: { continuationToken },
      });
      if (response.case !== 'get') {
        throw new BeamBridgeError('HARNESS_PROTOCOL', 'the runner answered another question');
      }
      if (response.value.data.length > 0) yield response.value.data;
      continuationToken = new Uint8Array(response.value.continuationToken);
    } while (continuationToken.length > 0);
  }

  async close(error: BeamBridgeError): Promise<void> {
    this.fail(error);
    await endCall(this.call);
    this.client.close();
  }
}
