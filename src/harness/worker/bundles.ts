// SPDX-License-Identifier: Apache-2.0
// The instructions that concern bundles: process one, how far is it, split it, its results are safe.

import { BeamBridgeError } from '../../base/index.ts';
import type { fn, MessageInitShape } from '../../proto/index.ts';
import {
  type BundleEngine,
  type BundleFinalizer,
  type BundleIO,
  type BundleOutput,
  type DesiredSplit,
  dataPorts,
  type RunningBundle,
  timerPorts,
} from '../engine/index.ts';
import { application, delayedApplication } from './applications.ts';
import { GrpcBundleState } from './bundle-state.ts';
import type { Channels } from './channels.ts';
import type { Descriptors } from './descriptors.ts';
import { sourceName } from './inbound.ts';
import { RecentSet } from './recent-set.ts';
import type { ShortIds } from './short-ids.ts';

export type InstructionResult = NonNullable<
  MessageInitShape<typeof fn.InstructionResponseSchema>['response']
>;

const INSTRUCTIONS_REMEMBERED = 10_000;
/** Bundles that a runner may finalize later, or never. */
const FINALIZATIONS_KEPT = 1000;

/** Options of {@link Bundles}. */
export interface BundlesOptions {
  readonly engine: BundleEngine;
  readonly channels: Channels;
  readonly descriptors: Descriptors;
  readonly shortIds: ShortIds;
  readonly isDraining?: (() => boolean) | undefined;
}

export class Bundles {
  private readonly running = new Map<string, RunningBundle>();
  private readonly seen = new RecentSet(INSTRUCTIONS_REMEMBERED);
  private readonly finalizers = new Map<string, readonly BundleFinalizer[]>();
  private ended: BeamBridgeError | undefined;

  constructor(private readonly options: BundlesOptions) {}

  async process(
    instructionId: string,
    request: fn.ProcessBundleRequest,
  ): Promise<InstructionResult> {
    const { channels, descriptors, engine, shortIds } = this.options;
    this.seen.add(instructionId);
    try {
      const descriptor = await descriptors.get(request.processBundleDescriptorId);
      if (this.ended) throw this.ended;
      if (request.elements) channels.inbound.accept(request.elements);
      const bundle = engine.start(descriptor, this.io(instructionId, descriptor, request));
      this.running.set(instructionId, bundle);
      const { monitoringInfos, finalizers, residuals } = await bundle.done;
      this.keep(instructionId, finalizers);
      return {
        case: 'processBundle',
        value: {
          // Python's and Java's runners read the long form, Prism the short one.
          monitoringInfos,
          monitoringData: shortIds.data(monitoringInfos),
          requiresFinalization: finalizers.length > 0,
          residualRoots: residuals.map(delayedApplication),
        },
      };
    } finally {
      this.running.delete(instructionId);
      channels.inbound.close(instructionId);
    }
  }

  private io(
    instructionId: string,
    descriptor: fn.ProcessBundleDescriptor,
    { cacheTokens }: fn.ProcessBundleRequest,
  ): BundleIO {
    const { channels } = this.options;
    const sources = dataPorts(descriptor, 'DATA_SOURCE');
    for (const { url } of sources) channels.data(url);
    const timers = timerPorts(descriptor);
    // Timers come by the stream of data unless the runner names another.
    const timerUrl = descriptor.timerApiServiceDescriptor?.url ?? sources[0]?.url;
    if (timers.length > 0 && timerUrl !== undefined) channels.data(timerUrl);
    const stateUrl = descriptor.stateApiServiceDescriptor?.url;
    return {
      input: channels.inbound.open(instructionId, [...sources, ...timers].map(sourceName)),
      output: this.output(instructionId, descriptor, timerUrl ?? ''),
      isDraining: this.options.isDraining,
      state: new GrpcBundleState(
        instructionId,
        () => (stateUrl ? channels.state(stateUrl) : undefined),
        cacheTokens,
      ),
    };
  }

  private output(
    instructionId: string,
    descriptor: fn.ProcessBundleDescriptor,
    timerUrl: string,
  ): BundleOutput {
    const { channels } = this.options;
    const sinks = new Map(
      dataPorts(descriptor, 'DATA_SINK').map(({ transformId, url }) => [
        transformId,
        channels.data(url),
      ]),
    );
    return {
      write: (transformId, data) =>
        sinks.get(transformId)!.send({ data: [{ instructionId, transformId, data }] }),
      close: (transformId, data) => {
        // Runners ignore the bytes of the message that says it is the last, so that one is empty.
        const last = { instructionId, transformId, isLast: true };
        const rest = data.length > 0 ? [{ instructionId, transformId, data }] : [];
        return sinks.get(transformId)!.send({ data: [...rest, last] });
      },
      closeTimers: (transformId, timerFamilyId, timers) => {
        const last = { instructionId, transformId, timerFamilyId, isLast: true };
        const rest =
          timers.length > 0 ? [{ instructionId, transformId, timerFamilyId, timers }] : [];
        return channels.data(timerUrl).send({ timers: [...rest, last] });
      },
    };
  }

  /**
   * What a bundle has counted so far. For one that has ended this is empty rather than an error:
   * the question and the bundle's own answer may have met on the way.
   */
  progress(instructionId: string): InstructionResult {
    const bundle = this.find(instructionId);
    const monitoringInfos = bundle?.monitoringInfos() ?? [];
    return {
      case: 'processBundleProgress',
      value: {
        monitoringInfos,
        monitoringData: this.options.shortIds.data(monitoringInfos),
        consumingReceivedData:
          bundle !== undefined && this.options.channels.inbound.isFed(instructionId),
      },
    };
  }

  split({ instructionId, desiredSplits }: fn.ProcessBundleSplitRequest): InstructionResult {
    const desired = new Map<string, DesiredSplit>(
      Object.entries(desiredSplits).map(([transformId, wish]) => [
        transformId,
        {
          fractionOfRemainder: wish.fractionOfRemainder,
          estimatedInputElements: Number(wish.estimatedInputElements),
          allowedSplitPoints: wish.allowedSplitPoints.map(Number),
        },
      ]),
    );
    const splits = this.find(instructionId)?.split(desired) ?? [];
    return {
      case: 'processBundleSplit',
      value: {
        channelSplits: splits.map((split) => ({
          transformId: split.transformId,
          lastPrimaryElement: BigInt(split.lastPrimaryElement),
          firstResidualElement: BigInt(split.firstResidualElement),
        })),
        primaryRoots: splits.flatMap(({ primaryRoots }) => primaryRoots.map(application)),
        residualRoots: splits.flatMap(({ residualRoots }) => residualRoots.map(delayedApplication)),
      },
    };
  }

  /** @throws `HARNESS_PROTOCOL` for an instruction that nobody heard of */
  private find(instructionId: string): RunningBundle | undefined {
    const bundle = this.running.get(instructionId);
    if (bundle ?? this.seen.has(instructionId)) return bundle;
    throw new BeamBridgeError(
      'HARNESS_PROTOCOL',
      `Unknown process bundle instruction ${JSON.stringify(instructionId)}`,
    );
  }

  private keep(instructionId: string, finalizers: readonly BundleFinalizer[]): void {
    if (finalizers.length === 0) return;
    this.finalizers.set(instructionId, finalizers);
    for (const oldest of this.finalizers.keys()) {
      if (this.finalizers.size <= FINALIZATIONS_KEPT) break;
      this.finalizers.delete(oldest);
    }
  }

  async finalize(instructionId: string): Promise<InstructionResult> {
    const finalizers = this.finalizers.get(instructionId) ?? [];
    this.finalizers.delete(instructionId);
    for (const finalize of finalizers) await finalize();
    return { case: 'finalizeBundle', value: {} };
  }

  /** Ends all bundles, and all that are still to begin. */
  abort(error: BeamBridgeError): void {
    this.ended = error;
    for (const bundle of this.running.values()) bundle.abort(error);
  }
}
