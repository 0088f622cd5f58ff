// SPDX-License-Identifier: Apache-2.0
// Puts elements into windows, and gives them the timestamps that decide which.

import { BeamBridgeError, checkOptionNames, type OptionNames } from '../base/index.ts';
import { type Instant, instantOf, type Window } from '../coders/index.ts';
import {
  extractName,
  FUNCTION_URNS,
  labelled,
  newOutput,
  type PCollection,
  type Pipeline,
  type PTransformClass,
  TimestampedValue,
  type TransformNode,
  timestampParam,
  type WindowFn,
  type WindowingStrategy,
  windowingStrategy,
} from '../pipeline/index.ts';
import { create, pb, toBinary, urns } from '../proto/index.ts';
import { whenKnown } from './fields.ts';
import { type Duration, latenessOf } from './lateness.ts';
import { doFnStep, transform } from './transform.ts';
import { type Trigger, textOf } from './triggers.ts';

/** What `windowInto` may set besides the window function. */
export interface WindowingOptions
  extends Partial<Omit<WindowingStrategy, 'windowFn' | 'trigger' | 'allowedLateness'>> {
  /**
   * How long after the end of its window an element still counts: in milliseconds, or with its unit, as
   * `{ minutes: 5 }`. @default 0
   */
  readonly allowedLateness?: number | Duration | undefined;
  /** When a window's elements come out. @default {@link defaultTrigger} */
  readonly trigger?: Trigger | undefined;
}

const OPTIONS: OptionNames<WindowingOptions> = {
  allowedLateness: true,
  trigger: true,
  accumulationMode: true,
  timestampCombiner: true,
  closingBehavior: true,
  onTimeBehavior: true,
};

/**
 * Assigns each element to windows by its timestamp. What comes after groups within them.
 *
 * @param options - trigger, accumulation mode, allowed lateness (milliseconds, or `{ seconds: 60 }`;
 *   a plain number that looks like seconds beside the windows' is refused), timestamp combiner,
 *   closing and on-time behaviour. @default Beam's: once at the end of the window, discarding, no
 *   lateness
 * @throws `INVALID_ARGUMENT` when `windowFn` is no window function, or an option has no such value,
 *   or a trigger that may fire more than once comes without an accumulation mode
 *
 * @example
 * ```ts
 * clicks.apply(windowInto(fixedWindows(60))).apply(countPerElement());
 * ```
 */
export function windowInto<T, W extends Window = Window>(
  windowFn: WindowFn<W>,
  options: WindowingOptions = {},
): PTransformClass<PCollection<T>, PCollection<T>> {
  checkWindowFn(windowFn);
  const strategyOptions = checkOptions(options, windowFn as WindowFn);
  const fn = windowFn as WindowFn;
  return transform(labelled('windowInto', windowFn), (input, pipeline, node) => {
    const spec = registerWindowFn(fn, pipeline, node);
    node.spec = {
      urn: urns.StandardPTransforms_Primitives.ASSIGN_WINDOWS,
      payload: toBinary(
        pb.WindowIntoPayloadSchema,
        create(pb.WindowIntoPayloadSchema, { windowFn: spec }),
      ),
    };
    node.needsEnvironment = true;
    return newOutput(pipeline, node, 'main', input.coder, {
      windowing: windowingStrategy(fn, strategyOptions),
      bounded: input.isBounded,
    });
  });
}

const CHOICES = {
  accumulationMode: ['discarding', 'accumulating'],
  timestampCombiner: ['earliest', 'latest', 'endOfWindow'],
  closingBehavior: ['emitAlways', 'emitIfNonEmpty'],
  onTimeBehavior: ['fireAlways', 'fireIfNonEmpty'],
} as const;

/** The options with Beam's message for the trigger, and without what was given as undefined. */
function checkOptions(options: WindowingOptions, windowFn: WindowFn): Partial<WindowingStrategy> {
  checkOptionNames('windowInto', options, OPTIONS);
  const { trigger, allowedLateness: lateness, ...others } = options;
  const rest = {
    ...others,
    ...(lateness === undefined ? {} : { allowedLateness: latenessOf(lateness, windowFn) }),
  };
  for (const [option, choices] of Object.entries(CHOICES)) {
    const given = rest[option as keyof typeof CHOICES];
    if (given === undefined || (choices as readonly string[]).includes(given)) continue;
    throw new BeamBridgeError('INVALID_ARGUMENT', `${option} is ${String(given)}`, {
      hint: `Choose one of: ${choices.join(', ')}.`,
    });
  }
  const known = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  if (trigger === undefined) return known;
  const text = textOf(trigger, 'windowInto');
  // Whether a later pane repeats the elements of an earlier one is never a matter of course.
  if (trigger.toProto().trigger.case !== 'default' && rest.accumulationMode === undefined) {
    throw new BeamBridgeError('INVALID_ARGUMENT', `the trigger ${text} has no accumulationMode`, {
      hint: "Say accumulationMode: 'discarding' (each pane holds what is new) or 'accumulating' (each pane holds all so far).",
    });
  }
  return { ...known, trigger: trigger.toProto() };
}

/** The specification of a window function; one of the user's is found by its key at run time. */
export function registerWindowFn(fn: WindowFn, pipeline: Pipeline, node: TransformNode) {
  return (
    fn.toProto() ?? {
      urn: FUNCTION_URNS.windowFn,
      payload: pipeline.addFunction(node, fn, 'windowFn'),
    }
  );
}

const METHODS = [
  'assignWindows',
  'windowCoder',
  'toProto',
  'isMerging',
  'assignsToOneWindow',
] as const;

function checkWindowFn<W extends Window>(windowFn: WindowFn<W>): void {
  const missing = METHODS.filter((method) => typeof windowFn?.[method] !== 'function');
  if (missing.length === 0) {
    if (!windowFn.isMerging() || typeof windowFn.mergeWindows === 'function') return;
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `windowInto was given ${extractName(windowFn)}, whose windows merge and which lacks mergeWindows`,
      { hint: 'Add mergeWindows(windows) to it, or let isMerging() return false.' },
    );
  }
  throw new BeamBridgeError(
    'INVALID_ARGUMENT',
    `windowInto was given ${extractName(windowFn) ?? String(windowFn)}, which lacks ${missing.join(', ')}`,
    { hint: 'Pass fixedWindows(60) or another window function, called.' },
  );
}

/**
 * Gives each element the timestamp that `fn` returns for it, in milliseconds since 1970; a fraction of
 * a millisecond is cut off. `fn` may be async, and gets the element's timestamp so far as its second
 * argument.
 *
 * @throws `INVALID_ARGUMENT` when `fn` is no function, and at run time when it returns no time
 *
 * @example
 * ```ts
 * events.apply(assignTimestamps((event) => Date.parse(event.at)));
 * ```
 */
export function assignTimestamps<T>(
  fn: (element: T, timestamp: Instant) => Instant | Promise<Instant>,
): PTransformClass<PCollection<T>, PCollection<T>> {
  if (typeof fn !== 'function') {
    throw new BeamBridgeError('INVALID_ARGUMENT', 'assignTimestamps was given no function', {
      hint: 'Pass a function from an element to milliseconds since 1970.',
    });
  }
  const name = labelled('assignTimestamps', fn);
  const stamp = (element: T, at: unknown) => [
    new TimestampedValue(element, instantOf(at, `the timestamp that ${name} returned`)),
  ];
  const step = doFnStep<T, T, { now: ReturnType<typeof timestampParam> }>(
    'assign',
    {
      process(element, { now }) {
        return whenKnown(fn(element, now.lookup()), (at) => stamp(element, at));
      },
    },
    'of the input',
    { now: timestampParam() },
  );
  return transform(name, (input) => input.apply(step));
}
