// SPDX-License-Identifier: Apache-2.0
// From Beam's trigger message to the machine that runs it.

import { BeamBridgeError } from '../../../../base/index.ts';
import type { pb } from '../../../../proto/index.ts';
import {
  AfterAllMachine,
  AfterAnyMachine,
  AfterEachMachine,
  EndOfWindowMachine,
  OrFinallyMachine,
  RepeatMachine,
} from './composite-triggers.ts';
import {
  ConstantMachine,
  DefaultMachine,
  ElementCountMachine,
  ProcessingTimeMachine,
  type TriggerMachine,
  type TriggerState,
} from './trigger-machine.ts';

/** A whole trigger and the state that its windows start with. */
export interface Trigger {
  readonly machine: TriggerMachine;
  newState(): TriggerState;
}

/** @throws BeamBridgeError `UNSUPPORTED` for a trigger that Beam's model does not have */
export function triggerOf(message: pb.Trigger | undefined, merging: boolean): Trigger {
  const builder = new Builder(merging);
  const machine = builder.build(message);
  const size = builder.count;
  return {
    machine,
    newState: () => ({ finished: new Array(size).fill(false), numbers: new Array(size) }),
  };
}

class Builder {
  count = 0;

  constructor(private readonly merging: boolean) {}

  build(message: pb.Trigger | undefined): TriggerMachine {
    const number = this.count++;
    const given = message?.trigger;
    switch (given?.case) {
      case undefined:
        throw new BeamBridgeError('UNSUPPORTED', 'a windowing strategy names an unknown trigger', {
          hint: 'Use the triggers of the Beam model.',
        });
      case 'default':
        return new DefaultMachine(number);
      case 'always':
        return new ConstantMachine(number, true);
      case 'never':
        return new ConstantMachine(number, false);
      case 'elementCount':
        return new ElementCountMachine(number, given.value.elementCount);
      case 'afterProcessingTime':
        return new ProcessingTimeMachine(number, given.value.timestampTransforms);
      case 'afterSynchronizedProcessingTime':
        return new ProcessingTimeMachine(number, []);
      case 'afterEndOfWindow': {
        const { earlyFirings, lateFirings } = given.value;
        const early = earlyFirings && this.build(earlyFirings);
        const late = lateFirings && this.build(lateFirings);
        return new EndOfWindowMachine(number, early, late, this.merging);
      }
      case 'afterAll':
        return new AfterAllMachine(number, this.all(given.value.subtriggers));
      case 'afterAny':
        return new AfterAnyMachine(number, this.all(given.value.subtriggers));
      case 'afterEach':
        return new AfterEachMachine(number, this.all(given.value.subtriggers), this.merging);
      case 'orFinally':
        return new OrFinallyMachine(
          number,
          this.build(given.value.main),
          this.build(given.value.finally),
        );
      case 'repeat':
        return new RepeatMachine(number, this.build(given.value.subtrigger));
    }
  }

  private all(messages: readonly pb.Trigger[]): TriggerMachine[] {
    return messages.map((message) => this.build(message));
  }
}
