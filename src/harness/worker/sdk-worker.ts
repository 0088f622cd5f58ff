// SPDX-License-Identifier: Apache-2.0
// One worker as a runner sees it: it connects to the runner's control service, answers instructions
// until the runner hangs up, and then leaves nothing behind.

import { BeamBridgeError, getLogger, within } from '../../base/index.ts';
import { create, createClient, fn } from '../../proto/index.ts';
import { BundleEngine, type FunctionLookup } from '../engine/index.ts';
import { Bundles, type InstructionResult } from './bundles.ts';
import { endCall, watchCall } from './calls.ts';
import { Channels } from './channels.ts';
import { Descriptors } from './descriptors.ts';
import { Failures } from './failures.ts';
import { LoggingChannel } from './logging-channel.ts';
import { ShortIds } from './short-ids.ts';

const log = getLogger('harness');

/** How long user code may keep a worker that is to end. */
const SETTLE_MS = 2000;

/** Options of an {@link SdkWorker}. */
export interface SdkWorkerOptions {
  /** The name that the runner gave: it goes with every call. */
  workerId: string;
  /** Address of the runner's control service, `host:port`. */
  controlUrl: string;
  /** The user's functions by key. */
  functions: FunctionLookup;
  /** Address of the runner's logging service; records of level warn and above go there. @default none */
  loggingUrl?: string | undefined;
  /** Hears of each bundle that failed, with the error as it was thrown. */
  onFailure?: ((error: BeamBridgeError) => void) | undefined;
  /** Whether endless sources are to end. @default never */
  isDraining?: (() => boolean) | undefined;
  /** Where failures are kept. @default a store of its own */
  failures?: Failures | undefined;
  /** Bytes of input that may wait in memory. @default 64 MiB */
  dataBudgetBytes?: number | undefined;
  /** Encoded bytes of side inputs kept from bundle to bundle. @default 64 MiB */
  sideInputCacheBytes?: number | undefined;
}

/**
 * A connected SDK harness.
 *
 * @example
 * ```ts
 * const worker = new SdkWorker({ workerId, controlUrl, functions: pipeline.functions });
 * await worker.ended;
 * ```
 */
export class SdkWorker implements AsyncDisposable {
  /** Resolves when the connection is gone and everything is cleaned up. */
  readonly ended: Promise<void>;
  private readonly client;
  private readonly call;
  private readonly channels: Channels;
  private readonly engine: BundleEngine;
  private readonly descriptors: Descriptors;
  private readonly bundles: Bundles;
  private readonly shortIds = new ShortIds();
  private readonly failures: Failures;
  private readonly logging: LoggingChannel | undefined;
  private closing: Promise<void> | undefined;
  private resolveEnded: () => void = () => {};
  private hasHeard = false;
  private connectionError: Error | undefined;

  constructor(private readonly options: SdkWorkerOptions) {
    const metadata = { worker_id: options.workerId };
    this.failures = options.failures ?? new Failures();
    this.ended = new Promise((resolve) => {
      this.resolveEnded = resolve;
    });
    this.engine = new BundleEngine(options);
    this.channels = new Channels({
      metadata,
      defaultUrl: options.controlUrl,
      dataBudgetBytes: options.dataBudgetBytes,
    });
    this.client = createClient(fn.BeamFnControl, options.controlUrl, { metadata });
    this.descriptors = new Descriptors((id) =>
      this.client.getProcessBundleDescriptor({ processBundleDescriptorId: id }),
    );
    this.bundles = new Bundles({
      engine: this.engine,
      channels: this.channels,
      descriptors: this.descriptors,
      shortIds: this.shortIds,
      isDraining: options.isDraining,
    });
    if (options.loggingUrl) this.logging = new LoggingChannel(options.loggingUrl, metadata);
    this.call = watchCall(this.client.control(), (error) => this.lose(error));
    this.call.on('data', (request: fn.InstructionRequest) => void this.handle(request));
  }

  /** Why the runner was never heard of, once the worker has ended without a word of it. */
  get neverConnected(): Error | undefined {
    return this.hasHeard ? undefined : this.connectionError;
  }

  private lose(error?: Error): void {
    if (this.closing) return;
    this.connectionError = error;
    if (error)
      log.debug(`control connection to ${this.options.controlUrl} ended: ${error.message}`);
    void this.close();
  }

  private async handle(request: fn.InstructionRequest): Promise<void> {
    const { instructionId } = request;
    this.hasHeard = true;
    try {
      this.respond({ instructionId, response: await this.answer(request) });
    } catch (thrown) {
      const { error, text } = this.failures.add(thrown);
      log.debug(`instruction ${instructionId} failed: ${error.shortMessage}`);
      if (request.request.case === 'processBundle' && error.code !== 'ABORTED') {
        this.options.onFailure?.(error);
      }
      this.respond({ instructionId, error: text });
    }
  }

  private respond(response: {
    instructionId: string;
    response?: InstructionResult;
    error?: string;
  }) {
    if (!this.closing) this.call.write(create(fn.InstructionResponseSchema, response));
  }

  private answer({
    instructionId,
    request,
  }: fn.InstructionRequest): InstructionResult | Promise<InstructionResult> {
    switch (request.case) {
      case 'register':
        for (const descriptor of request.value.processBundleDescriptor) {
          this.descriptors.register(descriptor);
        }
        return { case: 'register', value: {} };
      case 'processBundle':
        return this.bundles.process(instructionId, request.value);
      case 'processBundleProgress':
        return this.bundles.progress(request.value.instructionId);
      case 'processBundleSplit':
        return this.bundles.split(request.value);
      case 'finalizeBundle':
        return this.bundles.finalize(request.value.instructionId);
      case 'monitoringInfos': {
        const monitoringInfo = this.shortIds.describe(request.value.monitoringInfoId);
        return { case: 'monitoringInfos', value: { monitoringInfo } };
      }
      case 'harnessMonitoringInfos':
        return { case: 'harnessMonitoringInfos', value: {} };
      case 'sampleData':
        return { case: 'sampleData', value: {} };
      default:
        throw new BeamBridgeError(
          'HARNESS_PROTOCOL',
          `instruction ${instructionId} is of a kind that this harness does not know`,
        );
    }
  }

  /** Ends all bundles and the connection. User code that does not end is left behind after 2 s. */
  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  private async end(): Promise<void> {
    const error = new BeamBridgeError('ABORTED', 'the connection to the runner ended');
    this.bundles.abort(error);
    this.channels.fail(error);
    await within(SETTLE_MS, this.engine.close());
    this.engine.tellLeft();
    await Promise.all([endCall(this.call), this.channels.close(), this.logging?.close()]);
    this.client.close();
    this.resolveEnded();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
