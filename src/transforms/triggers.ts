// SPDX-License-Identifier: Apache-2.0
// Triggers: when the elements grouped in a window come out. Each is Beam's own message, so any
// runner knows it. https://beam.apache.org/documentation/programming-guide/#triggers

import { BeamBridgeError, checkOptionNames, type OptionNames } from '../base/index.ts';
import { create, type MessageInitShape, pb } from '../proto/index.ts';
import { millis } from './windowings.ts';

type TriggerInit = NonNullable<MessageInitShape<typeof pb.TriggerSchema>['trigger']>;

const MOST_COUNT = 2 ** 31 - 1;

/**
 * When the elements grouped in a window come out. Made by {@link afterWatermark},
 * {@link afterCount} and the other functions of this page, and given to `windowInto`.
 */
export class Trigger {
  constructor(
    /** How the trigger was written, for messages. */
    readonly text: string,
    private readonly message: pb.Trigger,
  ) {}

  /**
   * This trigger, until `until` fires; that firing is the last.
   *
   * @example
   * ```ts
   * repeatedly(afterCount(100)).orFinally(afterWatermark());
   * ```
   */
  orFinally(until: Trigger): Trigger {
    return trigger(`${this.text}.orFinally(${textOf(until, 'orFinally')})`, {
      case: 'orFinally',
      value: { main: this.message, finally: until.toProto() },
    });
  }

  /** Beam's message. */
  toProto(): pb.Trigger {
    return this.message;
  }

  toString(): string {
    return this.text;
  }
}

/** Fires when the watermark passes the end of the window: see {@link afterWatermark}. */
export class AfterWatermark extends Trigger {
  constructor(
    private readonly early?: Trigger,
    private readonly late?: Trigger,
  ) {
    const text = `afterWatermark()${early ? `.withEarlyFirings(${early})` : ''}${late ? `.withLateFirings(${late})` : ''}`;
    super(
      text,
      create(pb.TriggerSchema, {
        trigger: {
          case: 'afterEndOfWindow',
          value: {
            ...(early ? { earlyFirings: early.toProto() } : {}),
            ...(late ? { lateFirings: late.toProto() } : {}),
          },
        },
      }),
    );
  }

  /** Fires before the end of the window as well, each time that `early` does: it is repeated. */
  withEarlyFirings(early: Trigger): AfterWatermark {
    textOf(early, 'withEarlyFirings');
    return new AfterWatermark(early, this.late);
  }

  /**
   * Fires for late elements as well, each time that `late` does: it is repeated until the allowed
   * lateness is over.
   */
  withLateFirings(late: Trigger): AfterWatermark {
    textOf(late, 'withLateFirings');
    return new AfterWatermark(this.early, late);
  }
}

/**
 * Fires once, when the watermark passes the end of the window; with early and late firings where
 * they are asked for.
 *
 * @example
 * ```ts
 * windowInto(fixedWindows(60), {
 *   trigger: afterWatermark().withEarlyFirings(afterProcessingTime(10)).withLateFirings(afterCount(1)),
 *   accumulationMode: 'accumulating',
 *   allowedLateness: 300_000,
 * });
 * ```
 */
export function afterWatermark(): AfterWatermark {
  return new AfterWatermark();
}

/** What {@link afterProcessingTime} rounds its time up to: a multiple of `period`, plus `offset`. */
export interface Alignment {
  /** In seconds; fractions down to a millisecond count. */
  readonly period: number;
  /** In seconds since 1970. @default 0 */
  readonly offset?: number | undefined;
}

const ALIGNMENT: OptionNames<Alignment> = { period: true, offset: true };

/**
 * Fires once, so many seconds after the first element of a pane arrived.
 *
 * Python's DirectRunner counts whole seconds and does not align.
 *
 * @param delaySeconds - fractions down to a millisecond count. @default 0
 * @param alignTo - rounds the time of firing up, so that many keys fire together. @default no rounding
 * @throws `INVALID_ARGUMENT` for a negative delay, or a period that is not positive
 */
export function afterProcessingTime(delaySeconds = 0, alignTo?: Alignment): Trigger {
  checkOptionNames('afterProcessingTime', alignTo, ALIGNMENT);
  const delay = atLeast(0, 'delay', delaySeconds);
  const timestampTransforms: MessageInitShape<typeof pb.TimestampTransformSchema>[] = [
    { timestampTransform: { case: 'delay', value: { delayMillis: BigInt(delay) } } },
  ];
  if (alignTo) {
    const period = atLeast(1, 'period', alignTo.period);
    const offset = millis('afterProcessingTime', 'offset', alignTo.offset ?? 0);
    const value = { period: BigInt(period), offset: BigInt(offset) };
    timestampTransforms.push({ timestampTransform: { case: 'alignTo', value } });
  }
  return trigger(`afterProcessingTime(${delaySeconds}${alignTo ? ', …' : ''})`, {
    case: 'afterProcessingTime',
    value: { timestampTransforms },
  });
}

/**
 * Fires once, when all steps before have caught up with the processing time of a pane's first
 * element. It is what {@link afterProcessingTime} becomes behind a grouping, and like that it needs
 * `repeatedly` around it.
 */
export function afterSynchronizedProcessingTime(): Trigger {
  const value = {};
  return trigger('afterSynchronizedProcessingTime()', {
    case: 'afterSynchronizedProcessingTime',
    value,
  });
}

/**
 * Fires once, when a pane has at least so many elements.
 *
 * @throws `INVALID_ARGUMENT` for less than 1
 */
export function afterCount(elements: number): Trigger {
  if (!Number.isInteger(elements) || elements < 1 || elements > MOST_COUNT) {
    throw new BeamBridgeError('INVALID_ARGUMENT', `afterCount: the count is ${String(elements)}`, {
      hint: 'Give a whole number of elements, 1 or more.',
    });
  }
  return trigger(`afterCount(${elements})`, {
    case: 'elementCount',
    value: { elementCount: elements },
  });
}

/** Fires each time that `inner` does, starting it anew after each firing, and never ends. */
export function repeatedly(inner: Trigger): Trigger {
  return trigger(`repeatedly(${textOf(inner, 'repeatedly')})`, {
    case: 'repeat',
    value: { subtrigger: inner.toProto() },
  });
}

/** Each trigger in turn: the next begins when the one before has fired for the last time. */
export function afterEach(...triggers: Trigger[]): Trigger {
  return several('afterEach', triggers);
}

/** Fires once, when all of the triggers have. */
export function afterAll(...triggers: Trigger[]): Trigger {
  return several('afterAll', triggers);
}

/** Fires once, when the first of the triggers does. Java calls it `AfterFirst`. */
export function afterAny(...triggers: Trigger[]): Trigger {
  return several('afterAny', triggers);
}

/** As {@link afterWatermark}, and again for each late element. What a PCollection starts with. */
export function defaultTrigger(): Trigger {
  return trigger('defaultTrigger()', { case: 'default', value: {} });
}

/** Never fires: everything comes out when the window, allowed lateness included, is over. */
export function never(): Trigger {
  return trigger('never()', { case: 'never', value: {} });
}

/** Fires for each element. */
export function always(): Trigger {
  return trigger('always()', { case: 'always', value: {} });
}

function trigger(text: string, message: TriggerInit): Trigger {
  return new Trigger(text, create(pb.TriggerSchema, { trigger: message }));
}

function several(kind: 'afterEach' | 'afterAll' | 'afterAny', triggers: Trigger[]): Trigger {
  if (triggers.length === 0) {
    throw new BeamBridgeError('INVALID_ARGUMENT', `${kind} was given no triggers`, {
      hint: `Name them: ${kind}(afterCount(100), afterWatermark()).`,
    });
  }
  const texts = triggers.map((one) => textOf(one, kind));
  const value = { subtriggers: triggers.map((one) => one.toProto()) };
  return trigger(`${kind}(${texts.join(', ')})`, { case: kind, value });
}

/** @throws `INVALID_ARGUMENT` when it is no trigger, such as a function that was not called */
export function textOf(given: Trigger, where: string): string {
  if (given instanceof Trigger) return given.text;
  const what =
    typeof given === 'function'
      ? `the function ${(given as { name: string }).name}`
      : String(given);
  throw new BeamBridgeError('INVALID_ARGUMENT', `${where} was given ${what}, which is no trigger`, {
    hint: 'Pass afterCount(100), afterWatermark() or another trigger, called.',
  });
}

function atLeast(least: number, which: string, given: number): number {
  const rounded = millis('afterProcessingTime', which, given);
  if (rounded >= least) return rounded;
  throw new BeamBridgeError(
    'INVALID_ARGUMENT',
    `afterProcessingTime: ${which} is ${given} seconds`,
    {
      hint: least === 0 ? `A ${which} is not negative.` : `A ${which} is at least one millisecond.`,
    },
  );
}
