// SPDX-License-Identifier: Apache-2.0
// One bundle in a thread, as its engine sees it: input that is asked for, and output that is taken in time.

import { BeamBridgeError } from '../../base/index.ts';
import type {
  BundleInput,
  BundleIO,
  BundleOutput,
  BundleState,
  MaybePromise,
} from '../../harness/index.ts';
import { type Chunk, MOST_UNTAKEN } from './messages.ts';

/** The way to the submitting program. */
export interface BundleLine {
  /** Asks for more input. */
  ask(): void;
  giveWay(): void;
  write(transformId: string, data: Uint8Array): void;
}

export class ServedBundle implements BundleIO {
  readonly input: BundleInput;
  readonly output: BundleOutput;
  readonly state = NO_STATE;
  private answer: ((chunk: Chunk | undefined) => void) | undefined;
  private untaken = 0;
  private goOn: (() => void) | undefined;

  constructor(line: BundleLine) {
    this.input = {
      next: () =>
        new Promise((resolve) => {
          this.answer = resolve;
          line.ask();
        }),
      giveWay: () => line.giveWay(),
    };
    const write = (transformId: string, data: Uint8Array): MaybePromise<void> => {
      if (data.length === 0) return;
      this.untaken += 1;
      const room =
        this.untaken < MOST_UNTAKEN
          ? undefined
          : new Promise<void>((resolve) => {
              this.goOn = resolve;
            });
      line.write(transformId, data);
      return room;
    };
    this.output = { write, close: write };
  }

  give(chunk: Chunk | undefined): void {
    const { answer } = this;
    this.answer = undefined;
    answer?.(chunk);
  }

  /** The submitting program has taken a piece of output. */
  taken(): void {
    this.untaken -= 1;
    const { goOn } = this;
    this.goOn = undefined;
    goOn?.();
  }

  /** Whether it waits for the submitting program. */
  get isWaiting(): boolean {
    return this.answer !== undefined || this.goOn !== undefined;
  }
}

/** Stages that ask for something do not run in threads. */
const NO_STATE: BundleState = {
  sideInput: () => none(),
  iterable: () => none(),
};

function none(): never {
  throw new BeamBridgeError('INTERNAL', 'a stage in a thread asked for state', {
    hint: 'This is a defect of beambridge: please report it with the pipeline.',
  });
}
