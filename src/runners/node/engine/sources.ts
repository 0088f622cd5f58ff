// SPDX-License-Identifier: Apache-2.0
// Where elements come from without any input: the impulse, and the stream that a test writes down.

import {
  type Coder,
  decodeValue,
  GlobalWindow,
  type Instant,
  MAX_TIMESTAMP,
  MIN_TIMESTAMP,
  NO_FIRING,
  type WindowedValue,
} from '../../../coders/index.ts';
import type { pb } from '../../../proto/index.ts';
import type { EngineNode, Surroundings } from './node.ts';

function element(value: unknown, timestamp: Instant): WindowedValue<unknown> {
  return { value, timestamp, windows: [GlobalWindow.INSTANCE], pane: NO_FIRING };
}

/** One empty element at the beginning of time. */
export class ImpulseNode implements EngineNode {
  readonly inputs: readonly string[] = [];
  readonly outputs: readonly string[];
  outputWatermark: Instant = MIN_TIMESTAMP;
  private sent = false;

  constructor(
    output: string,
    private readonly around: Surroundings,
  ) {
    this.outputs = [output];
  }

  step(): boolean {
    if (this.sent) return false;
    this.sent = true;
    void this.around.deliver(this.outputs[0]!, [element(new Uint8Array(0), MIN_TIMESTAMP)]);
    this.outputWatermark = MAX_TIMESTAMP;
    return true;
  }

  get isQuiet(): boolean {
    return this.sent;
  }
}

/** The processing time of a test, which passes only when the test says so. */
export interface TestClock {
  advance(millis: number): void;
}

/** Plays the events of a test stream, each when everything before it has settled. */
export class TestStreamNode implements EngineNode {
  readonly inputs: readonly string[] = [];
  readonly outputs: readonly string[];
  private next = 0;
  private readonly watermarks: Map<string, Instant>;

  constructor(
    /** PCollections by the tag of the output. */
    private readonly tags: ReadonlyMap<string, string>,
    private readonly events: readonly pb.TestStreamPayload_Event[],
    private readonly coder: Coder<unknown>,
    private readonly clock: TestClock,
    private readonly around: Surroundings,
  ) {
    this.outputs = [...tags.values()];
    this.watermarks = new Map(this.outputs.map((id) => [id, MIN_TIMESTAMP]));
  }

  get outputWatermark(): Instant {
    return Math.min(...this.watermarks.values());
  }

  watermarkOf(pcollection: string): Instant {
    return this.watermarks.get(pcollection)!;
  }

  step(): boolean {
    return false;
  }

  get isQuiet(): boolean {
    return true;
  }

  get isOver(): boolean {
    return this.next > this.events.length;
  }

  /** Plays the next event. */
  advance(): void {
    const event = this.events[this.next]?.event;
    this.next += 1;
    if (!event) {
      // After the last event the stream has ended.
      for (const id of this.outputs) this.watermarks.set(id, MAX_TIMESTAMP);
      return;
    }
    if (event.case === 'watermarkEvent') {
      const { newWatermark, tag } = event.value;
      this.watermarks.set(this.outputOf(tag), Number(newWatermark));
    } else if (event.case === 'processingTimeEvent') {
      this.clock.advance(Number(event.value.advanceDuration));
    } else if (event.case === 'elementEvent') {
      const { elements, tag } = event.value;
      const values = elements.map(({ encodedElement, timestamp }) =>
        element(decodeValue(this.coder, encodedElement), Number(timestamp)),
      );
      void this.around.deliver(this.outputOf(tag), values);
    }
  }

  /** Plays no more events. */
  end(): void {
    this.next = Math.max(this.next, this.events.length);
  }

  private outputOf(tag: string): string {
    return this.tags.get(tag) ?? this.outputs[0]!;
  }
}
