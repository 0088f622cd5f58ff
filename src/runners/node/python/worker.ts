// SPDX-License-Identifier: Apache-2.0
// One Python worker as the runner sees it: the streams that it opened, and who waits at them.

import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { BeamBridgeError } from '../../../base/index.ts';
import { isThenable, type MaybePromise, type MonitoringInfo } from '../../../harness/index.ts';
import {
  create,
  fn,
  type MessageInitShape,
  type ServiceImplementation,
} from '../../../proto/index.ts';

type ControlCall = Parameters<ServiceImplementation<typeof fn.BeamFnControl>['control']>[0];
type DataCall = Parameters<ServiceImplementation<typeof fn.BeamFnData>['data']>[0];
type StateCall = Parameters<ServiceImplementation<typeof fn.BeamFnState>['state']>[0];

type Instruction = NonNullable<MessageInitShape<typeof fn.InstructionRequestSchema>['request']>;

/** How long the host may take to say why a worker's streams ended. Milliseconds. */
const NOTICE_MS = 1000;

/** The process that a worker is started by, where it is one of ours. */
export interface WorkerHome {
  /** Resolves with the reason once it is gone. */
  readonly ended: Promise<BeamBridgeError>;
  /** Whether `ended` comes soon. */
  readonly isBroken: boolean;
  /** The last that it said, for errors. */
  tail(): string;
}

/** What a bundle does with that which its worker sends. */
export interface BundleListener {
  /** Hears that the worker is gone. */
  lost(reason: BeamBridgeError): void;
  /** Takes a piece of output; must not throw. */
  output(piece: fn.Elements_Data | fn.Elements_Timers): MaybePromise<void>;
  /** Answers; must not reject. */
  state(request: fn.StateRequest): Promise<MessageInitShape<typeof fn.StateResponseSchema>>;
}

export class Worker {
  /** Nobody can guess it: whoever names it may take part in the job. */
  readonly id = `python-${randomBytes(18).toString('base64url')}`;
  /** Resolves when the worker takes instructions; rejects when it never will. */
  readonly connected: Promise<void>;
  /** Resolves with the reason once the worker is of no more use. */
  readonly gone: Promise<BeamBridgeError>;
  /** What the worker's short names of metrics stand for, as far as it was asked. */
  readonly shortNames = new Map<string, MonitoringInfo>();
  private readonly connect: { resolve: () => void; reject: (error: Error) => void };
  private readonly end: (reason: BeamBridgeError) => void;
  private readonly answers = new Map<
    string,
    { resolve: (answer: fn.InstructionResponse) => void; reject: (error: Error) => void }
  >();
  private readonly listeners = new Map<string, BundleListener>();
  private readonly dataOpened: Promise<DataCall>;
  private openData: (call: DataCall) => void;
  private control: ControlCall | undefined;
  private reason: BeamBridgeError | undefined;
  private leaving = false;
  private draining: ReturnType<typeof withResolvers<void>> | undefined;
  private instructions = 0;

  /** @param home - what it is a part of; undefined when that is not ours */
  constructor(private readonly home: WorkerHome | undefined) {
    const connected = withResolvers<void>();
    this.connected = connected.promise;
    this.connect = connected;
    this.connected.catch(() => {});
    const gone = withResolvers<BeamBridgeError>();
    this.gone = gone.promise;
    this.end = gone.resolve;
    const data = withResolvers<DataCall>();
    this.dataOpened = data.promise;
    this.openData = data.resolve;
  }

  /** Whether it takes instructions. */
  get isReady(): boolean {
    return this.control !== undefined && !this.leaving && this.reason === undefined;
  }

  /** Fails all that waits for the worker. */
  lose(reason: BeamBridgeError): void {
    if (this.reason) return;
    this.reason = reason;
    this.connect.reject(reason);
    for (const { reject } of this.answers.values()) reject(reason);
    this.answers.clear();
    this.draining?.resolve();
    for (const listener of this.listeners.values()) listener.lost(reason);
    this.end(reason);
  }

  /** Ends the worker in good order: it tears its functions down, and its process ends. */
  hangUp(): void {
    this.leaving = true;
    this.control?.end();
  }

  takeControl(call: ControlCall): void {
    this.control = call;
    call.on('data', (response) => {
      const waiting = this.answers.get(response.instructionId);
      this.answers.delete(response.instructionId);
      waiting?.resolve(response);
    });
    const over = () => void this.left();
    for (const event of ['end', 'cancelled', 'error', 'close']) call.on(event, over);
    this.connect.resolve();
  }

  /** The control stream ended: the host may know why. */
  private async left(): Promise<void> {
    if (this.leaving) return;
    this.leaving = true;
    const unknown = new BeamBridgeError(
      'WORKER_DIED',
      `the worker ${this.id} ended its control stream`,
    );
    const { home } = this;
    if (!home) return this.lose(unknown);
    const over = new AbortController();
    const timer = delay(NOTICE_MS, undefined, { signal: over.signal }).catch(() => {});
    const reason = await Promise.race([this.gone, home.ended, timer.then(() => undefined)]);
    over.abort();
    this.lose(reason ?? (home.isBroken ? await home.ended : unknown));
  }

  takeData(call: DataCall): void {
    call.on('error', () => {});
    this.openData(call);
    void this.readData(call);
  }

  /** Reads one message after another, so that a slow consumer holds the worker back. */
  private async readData(call: DataCall): Promise<void> {
    try {
      for await (const { timers, data } of call as AsyncIterable<fn.Elements>) {
        for (const piece of [...timers, ...data]) {
          const pending = this.listeners.get(piece.instructionId)?.output(piece);
          if (isThenable(pending)) await pending;
        }
      }
    } catch {
      // A worker that is gone is noticed at its control stream.
    }
  }

  takeState(call: StateCall): void {
    call.on('error', () => {});
    // One after another: what is appended must be there for the next read.
    let last = Promise.resolve();
    call.on('data', (request) => {
      last = last.then(async () => {
        const listener = this.listeners.get(request.instructionId);
        const answer = listener
          ? await listener.state(request)
          : { error: `no bundle ${request.instructionId} is running` };
        if (!this.reason) call.write(create(fn.StateResponseSchema, { ...answer, id: request.id }));
      });
    });
    call.on('end', () => call.end());
  }

  /** An id for an instruction, and who hears of what the worker sends for it until `forget`. */
  listen(listener: BundleListener): string {
    const instructionId = `bundle-${++this.instructions}`;
    this.listeners.set(instructionId, listener);
    return instructionId;
  }

  forget(instructionId: string): void {
    this.listeners.delete(instructionId);
  }

  /** Sends an instruction; rejects when the worker is gone before it answers. */
  instruct(
    request: Instruction,
    instructionId = `instruction-${++this.instructions}`,
  ): Promise<fn.InstructionResponse> {
    const { control, reason } = this;
    if (reason || !control) {
      return Promise.reject(reason ?? new BeamBridgeError('INTERNAL', 'no worker is connected'));
    }
    return new Promise((resolve, reject) => {
      this.answers.set(instructionId, { resolve, reject });
      control.write(create(fn.InstructionRequestSchema, { instructionId, request }));
    });
  }

  /** Sends elements or timers; resolves when there is room for more. */
  async send(elements: MessageInitShape<typeof fn.ElementsSchema>): Promise<void> {
    const call = await this.dataOpened;
    if (this.reason) throw this.reason;
    if (call.write(create(fn.ElementsSchema, elements))) return;
    if (!this.draining) {
      this.draining = withResolvers<void>();
      call.once('drain', () => {
        this.draining?.resolve();
        this.draining = undefined;
      });
    }
    await this.draining.promise;
    if (this.reason) throw this.reason;
  }
}

/** A promise with its ends in hand; `Promise.withResolvers` needs Node 22. */
function withResolvers<T>() {
  let resolve: (value: T) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<T>((done, fail) => {
    resolve = done;
    reject = fail;
  });
  return { promise, resolve, reject };
}
