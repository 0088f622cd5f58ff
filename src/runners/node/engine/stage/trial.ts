// SPDX-License-Identifier: Apache-2.0
// Whether a stage is worth threads. It begins on the main thread, where elements need not be encoded; what its
// first elements take, and whether they come out of their coders as they went in, decides. Threads that are
// asked for start while the main thread goes on.

import { isDeepStrictEqual } from 'node:util';
import { BeamBridgeError, ByteReader } from '../../../../base/index.ts';
import { decodeValue, encodeValue, type WindowedValue } from '../../../../coders/index.ts';
import { isThenable, type MaybePromise, type MonitoringInfo } from '../../../../harness/index.ts';
import { urns } from '../../../../proto/index.ts';
import type { StageThreads } from '../executor.ts';
import type { WireCoders } from '../wire.ts';
import type { Bundle, Chunk } from './bundle.ts';

/** How long a stage must have been at work. Starting threads takes about as long. Milliseconds. */
const LEAST_MS = 100;
/** How often that is looked at. Milliseconds. */
const LOOK_MS = 25;
/** What it takes to encode an element, move it and decode it, with room to spare. Milliseconds. */
const TRANSFER_MS = 0.005;
/** Of the elements that pass, one in a block is looked at, and so many in all. */
const MOST_SAMPLES = 200;

/** How a stage has done so far. */
export interface Work {
  /** Milliseconds in its functions. */
  readonly millis: number;
  /** Elements that went in or came out. */
  readonly elements: number;
  /** Elements that wait for it, without the one at work. */
  readonly waiting: number;
}

/** Whether threads would do it faster than the main thread alone. */
export function isWorthThreads({ millis, elements, waiting }: Work): boolean {
  return millis >= LEAST_MS && waiting >= 2 && millis >= elements * TRANSFER_MS;
}

/** What a trial looks at of its stage. */
export interface TrialStage {
  readonly input: string;
  readonly outputs: readonly string[];
  /** Those that come when a bundle ends, and of which is known that their coders keep them. */
  readonly isKnown: (output: string) => boolean;
}

export class Trial {
  private busy = 0;
  private since: number | undefined;
  private samples = 0;
  private readonly seen = new Set<string>();
  private isDecided = false;

  /** @param onWon - hears that the threads are there */
  constructor(
    private readonly stage: TrialStage,
    private readonly wire: WireCoders,
    private readonly threads: StageThreads,
  ) {}

  /** Watches a bundle of the stage until the returned function is called. */
  watch(bundle: Bundle, waiting: () => number, onWon: () => void): () => void {
    const clock = setInterval(() => this.look(bundle, waiting(), onWon), LOOK_MS);
    return () => {
      this.stop();
      clearInterval(clock);
    };
  }

  /** Hears of what goes into the bundle; from then on it is at work, until it asks for more. */
  given(next: MaybePromise<Chunk | undefined>): MaybePromise<Chunk | undefined> {
    this.stop();
    if (this.isDecided) return next;
    const begin = (chunk: Chunk | undefined) => {
      if (chunk && 'elements' in chunk) this.sample(this.stage.input, chunk.elements);
      if (chunk) this.since = performance.now();
      return chunk;
    };
    return isThenable(next) ? next.then(begin) : begin(next);
  }

  private stop(): void {
    if (this.since !== undefined) this.busy += performance.now() - this.since;
    this.since = undefined;
  }

  private look(bundle: Bundle, queued: number, onWon: () => void): void {
    if (this.isDecided) return;
    const now = this.since === undefined ? 0 : performance.now() - this.since;
    const { done, given } = this.counts(bundle.runningInfos());
    const waiting = Math.max(0, bundle.outcome.elements - done) + queued;
    if (!isWorthThreads({ millis: this.busy + now, elements: done + given, waiting })) return;
    // What comes of an element must have been seen; a step may also let nothing through.
    const { outputs, isKnown } = this.stage;
    if (done <= 1 && !outputs.every((id) => this.seen.has(id) || isKnown(id))) return;
    this.isDecided = true;
    this.threads.prepare(waiting).then(
      () => onWon(),
      (error: unknown) => this.threads.refused(error),
    );
  }

  private counts(infos: readonly MonitoringInfo[]): { done: number; given: number } {
    let done = 1;
    let given = 0;
    for (const { urn, labels, payload } of infos) {
      const count = () => new ByteReader(payload).signedVarint() ?? 0;
      if (urn === DATA_CHANNEL_READ_INDEX) done += Math.max(0, count());
      else if (urn === ELEMENT_COUNT && this.stage.outputs.includes(labels.PCOLLECTION ?? '')) {
        given += count();
      }
    }
    return { done, given };
  }

  /** Looks at the first of some elements on their way into the stage, or out of it. */
  sample(pcollection: string, [first]: readonly WindowedValue<unknown>[]): void {
    if (this.isDecided || !first || this.samples >= MOST_SAMPLES) return;
    this.samples += 1;
    this.seen.add(pcollection);
    const why = this.whyNot(pcollection, first.value);
    if (why === undefined) return;
    this.isDecided = true;
    this.threads.stays(why);
  }

  private whyNot(pcollection: string, value: unknown): string | undefined {
    const coder = this.wire.element(pcollection);
    try {
      if (isDeepStrictEqual(decodeValue(coder, encodeValue(coder, value)), value)) return undefined;
      return 'its elements come out of their coder as others';
    } catch (error) {
      return `its elements cannot be encoded: ${BeamBridgeError.from(error).shortMessage}`;
    }
  }
}

const { DATA_CHANNEL_READ_INDEX, ELEMENT_COUNT } = urns.MonitoringInfoSpecs_Enum;
