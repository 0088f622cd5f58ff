// SPDX-License-Identifier: Apache-2.0
// One bundle in one Python worker: the instruction, its input and output, and what its answer means.

import { BeamBridgeError } from '../../../base/index.ts';
import {
  type BundleFinalizer,
  type BundleIO,
  type BundleResult,
  type ChannelSplit,
  type DesiredSplit,
  isThenable,
  type MaybePromise,
  type MonitoringInfo,
  type Residual,
  type SideInputToken,
} from '../../../harness/index.ts';
import { type fn, pb } from '../../../proto/index.ts';
import type { Registered } from './descriptors.ts';
import { sendInput } from './input.ts';
import { StateAnswers } from './state.ts';
import type { BundleListener, Worker } from './worker.ts';

/** What a bundle is run with. */
export interface BundleRun {
  readonly worker: Worker;
  readonly stage: Registered;
  readonly io: BundleIO;
  /** Ends the bundle with the signal's reason. */
  readonly signal: AbortSignal;
  /** The error for what Python says of its failure. */
  readonly failure: (text: string) => BeamBridgeError;
  /** Hears how the bundle can be split, while it can be. */
  readonly splittable: (split: Split | undefined) => void;
}

/** Asks the worker of a bundle to give part of the input back. */
export type Split = (desired: ReadonlyMap<string, DesiredSplit>) => Promise<ChannelSplit[]>;

/** How a bundle ended, and whether its worker is done with it. */
export type Outcome =
  | { readonly result: BundleResult }
  | { readonly error: unknown; readonly isSettled: boolean };

/** Runs a bundle; never rejects. */
export async function runBundle({
  worker,
  stage,
  io,
  signal,
  failure,
  splittable,
}: BundleRun): Promise<Outcome> {
  const over = new AbortController();
  const output = new BundleOutput(stage, io);
  const instructionId = worker.listen(output);
  let isSettled = false;
  try {
    const broken = new Promise<never>((_, reject) => {
      const abort = () => reject(signal.reason);
      if (signal.aborted) abort();
      else signal.addEventListener('abort', abort, { once: true, signal: over.signal });
      output.failed.catch(reject);
    });
    broken.catch(() => {});
    const { descriptor } = stage;
    const cacheTokens = (io.state.sideInputTokens?.() ?? []).map(cacheToken);
    // Before its data: a worker that gets data of a bundle which it does not know may come to a halt.
    const answered = worker.instruct(
      {
        case: 'processBundle',
        value: { processBundleDescriptorId: descriptor.id, cacheTokens },
      },
      instructionId,
    );
    splittable((desired) => split(worker, instructionId, descriptor, desired));
    const sent = sendInput(io.input, { worker, instructionId, stage, signal: over.signal });
    const unsent = new Promise<never>((_, reject) => sent.catch(reject));
    unsent.catch(() => {});
    const answer = await Promise.race([answered, broken, unsent]);
    if (answer.error) {
      isSettled = true;
      throw output.stateError ?? failure(answer.error);
    }
    await Promise.race([output.closed, broken]);
    const response = answer.response.case === 'processBundle' ? answer.response.value : undefined;
    return {
      result: {
        monitoringInfos: await monitoringInfos(worker, response),
        finalizers: response?.requiresFinalization ? [finalizer(worker, instructionId)] : [],
        residuals: (response?.residualRoots ?? []).map((root) => residual(root, descriptor)),
      },
    };
  } catch (error) {
    return { error, isSettled };
  } finally {
    splittable(undefined);
    over.abort();
    worker.forget(instructionId);
  }
}

/** Of side inputs only: what a bundle adds to state must be forgotten when it runs again. */
function cacheToken({ transformId, sideInputId, token }: SideInputToken) {
  return {
    token: Buffer.from(token),
    type: { case: 'sideInput' as const, value: { transformId, sideInputId } },
  };
}

async function split(
  worker: Worker,
  instructionId: string,
  descriptor: fn.ProcessBundleDescriptor,
  desired: ReadonlyMap<string, DesiredSplit>,
): Promise<ChannelSplit[]> {
  const desiredSplits = Object.fromEntries(
    [...desired].map(([transformId, wish]) => [
      transformId,
      {
        fractionOfRemainder: wish.fractionOfRemainder,
        estimatedInputElements: BigInt(wish.estimatedInputElements),
        allowedSplitPoints: wish.allowedSplitPoints.map(BigInt),
      },
    ]),
  );
  const { response } = await worker.instruct({
    case: 'processBundleSplit',
    value: { instructionId, desiredSplits },
  });
  if (response.case !== 'processBundleSplit') return [];
  const { channelSplits, residualRoots } = response.value;
  // Where an element was cut, its rest is told of by the bundle and not by the channel.
  return channelSplits.map(({ transformId, lastPrimaryElement, firstResidualElement }, i) => ({
    transformId,
    lastPrimaryElement: Number(lastPrimaryElement),
    firstResidualElement: Number(firstResidualElement),
    primaryRoots: [],
    residualRoots: i === 0 ? residualRoots.map((root) => residual(root, descriptor)) : [],
  }));
}

/** What a worker sends for a bundle, on its way to the bundle's sinks. */
class BundleOutput implements BundleListener {
  /** Resolves when every sink and every family of timers had its last piece. */
  readonly closed: Promise<void>;
  /** Rejects when a sink did, or the worker is gone. */
  readonly failed: Promise<never>;
  /** What a request for state failed with; Python only passes its text on. */
  stateError: unknown;
  private readonly open: Set<string>;
  private readonly timers = new Map<string, Uint8Array[]>();
  private readonly answers: StateAnswers;
  private close!: () => void;
  private fail!: (error: unknown) => void;

  constructor(
    { sinks, timers }: Registered,
    private readonly io: BundleIO,
  ) {
    this.answers = new StateAnswers(io.state);
    this.open = new Set([
      ...sinks.map((transformId) => portName(transformId)),
      ...timers.map(({ transformId, timerFamilyId }) => portName(transformId, timerFamilyId)),
    ]);
    this.closed = new Promise((resolve) => {
      this.close = resolve;
    });
    this.failed = new Promise((_, reject) => {
      this.fail = reject;
    });
    this.failed.catch(() => {});
    if (this.open.size === 0) this.close();
  }

  lost(reason: BeamBridgeError): void {
    this.fail(reason);
  }

  output(piece: fn.Elements_Data | fn.Elements_Timers): MaybePromise<void> {
    try {
      const pending = this.take(piece);
      if (isThenable(pending)) return pending.then(undefined, this.fail);
    } catch (error) {
      this.fail(error);
    }
  }

  private take(piece: fn.Elements_Data | fn.Elements_Timers): MaybePromise<void> {
    const { output } = this.io;
    const { transformId, isLast } = piece;
    if ('timers' in piece) {
      const { timerFamilyId, timers } = piece;
      const name = portName(transformId, timerFamilyId);
      const parts = [...(this.timers.get(name) ?? []), timers];
      this.timers.set(name, parts);
      if (!isLast) return;
      const all = Buffer.concat(parts);
      return this.last(name, output.closeTimers?.(transformId, timerFamilyId, all));
    }
    if (isLast) return this.last(portName(transformId), output.close(transformId, piece.data));
    if (piece.data.length > 0) return output.write(transformId, piece.data);
  }

  private async last(name: string, pending: MaybePromise<void>): Promise<void> {
    await pending;
    this.open.delete(name);
    if (this.open.size === 0) this.close();
  }

  async state(request: fn.StateRequest) {
    try {
      return await this.answers.answer(request);
    } catch (error) {
      this.stateError ??= error;
      return { error: error instanceof Error ? error.message : String(error) };
    }
  }
}

function portName(transformId: string, timerFamilyId?: string): string {
  return JSON.stringify([transformId, timerFamilyId]);
}

async function monitoringInfos(
  worker: Worker,
  response: fn.ProcessBundleResponse | undefined,
): Promise<MonitoringInfo[]> {
  const { monitoringInfos: long = [], monitoringData: short = {} } = response ?? {};
  const ids = Object.keys(short);
  if (long.length > 0 || ids.length === 0) return long;
  const { shortNames } = worker;
  const unknown = ids.filter((id) => !shortNames.has(id));
  if (unknown.length > 0) {
    const { response: names } = await worker.instruct({
      case: 'monitoringInfos',
      value: { monitoringInfoId: unknown },
    });
    const infos = names.case === 'monitoringInfos' ? names.value.monitoringInfo : {};
    for (const [id, info] of Object.entries(infos)) shortNames.set(id, info);
  }
  return ids.flatMap((id) => {
    const info = shortNames.get(id);
    return info ? [{ ...info, payload: short[id] ?? new Uint8Array() }] : [];
  });
}

function finalizer(worker: Worker, instructionId: string): BundleFinalizer {
  return async () => {
    const { error } = await worker.instruct({ case: 'finalizeBundle', value: { instructionId } });
    if (error) {
      throw new BeamBridgeError('PYTHON_EXCEPTION', 'finalizing a bundle failed in Python', {
        detail: error,
      });
    }
  };
}

function residual(
  { application, requestedTimeDelay }: fn.DelayedBundleApplication,
  { pcollections, transforms }: fn.ProcessBundleDescriptor,
): Residual {
  const { transformId = '', inputId = '', element = new Uint8Array() } = application ?? {};
  const watermarks = Object.entries(application?.outputWatermarks ?? {});
  // Python says nothing of the rest itself, only that its DoFn is one whose outputs have no end.
  const outputs = Object.values(transforms[transformId]?.outputs ?? {}).map(
    (id) => pcollections[id]?.isBounded,
  );
  return {
    transformId,
    inputId,
    element,
    delayMillis: Math.max(0, millis(requestedTimeDelay)),
    watermarks: new Map(watermarks.map(([tag, time]) => [tag, millis(time)])),
    isBounded: !isUnbounded(application?.isBounded) && !outputs.some(isUnbounded),
  };
}

function isUnbounded(isBounded: pb.IsBounded_Enum | undefined): boolean {
  return isBounded === pb.IsBounded_Enum.UNBOUNDED;
}

function millis(time: { seconds: bigint; nanos: number } | undefined): number {
  return time ? Number(time.seconds) * 1000 + Math.floor(time.nanos / 1_000_000) : 0;
}
