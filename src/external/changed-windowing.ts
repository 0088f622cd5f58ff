// SPDX-License-Identifier: Apache-2.0
// Outputs of another SDK that leave its transform with another trigger or lateness than the program assumed: those of
// the input. Steps behind it were constructed by then, and would group by the wrong ones.

import { BeamBridgeError } from '../base/index.ts';
import type { TransformNode, WindowingStrategy } from '../pipeline/index.ts';
import { clone, create, fromBinary, pb, toBinary, urns } from '../proto/index.ts';

const { GROUP_BY_KEY, PAR_DO, ASSIGN_WINDOWS } = urns.StandardPTransforms_Primitives;
const { COMBINE_PER_KEY, COMBINE_GLOBALLY, RESHUFFLE } = urns.StandardPTransforms_Composites;

type Table<T> = Readonly<Record<string, T>>;

/** An output whose windowing is not what was assumed. */
export interface ChangedWindowing {
  readonly node: TransformNode;
  /** Id of the output. */
  readonly output: string;
  /** What of it is another. */
  readonly changes: readonly string[];
}

/** What of an output's windowing decides when groups come out of it, and is not as it is in the program. */
export function windowingChanges(
  output: pb.WindowingStrategy,
  input: pb.WindowingStrategy | undefined,
  assumed: WindowingStrategy,
): string[] {
  // As the service itself writes what it was given, where it says so.
  const before = input ?? assumedMessage(assumed);
  const changes: string[] = [];
  const isOther = triggerOf(output) !== triggerOf(before);
  if (isOther) changes.push('trigger');
  const hasTrigger = isOther || (output.trigger?.trigger.case ?? 'default') !== 'default';
  if (hasTrigger && output.accumulationMode !== before.accumulationMode) {
    changes.push('accumulation mode');
  }
  if (output.allowedLateness !== before.allowedLateness) changes.push('allowed lateness');
  if (timeOf(output) !== timeOf(before)) changes.push('timestamp combiner');
  return changes;
}

function timeOf({ outputTime }: pb.WindowingStrategy): pb.OutputTime_Enum {
  return outputTime || pb.OutputTime_Enum.END_OF_WINDOW;
}

function contentOf(strategy: pb.WindowingStrategy): string {
  const { windowFn, accumulationMode, allowedLateness } = strategy;
  const payload = Buffer.from(windowFn?.payload ?? []).toString('base64');
  const trigger = triggerOf(strategy);
  return [
    windowFn?.urn,
    payload,
    trigger,
    accumulationMode,
    allowedLateness,
    timeOf(strategy),
  ].join();
}

function assumedMessage(assumed: WindowingStrategy): pb.WindowingStrategy {
  const { trigger, accumulationMode, allowedLateness, timestampCombiner } = assumed;
  return create(pb.WindowingStrategySchema, {
    trigger,
    accumulationMode:
      accumulationMode === 'accumulating'
        ? pb.AccumulationMode_Enum.ACCUMULATING
        : pb.AccumulationMode_Enum.DISCARDING,
    allowedLateness: BigInt(allowedLateness),
    outputTime: {
      earliest: pb.OutputTime_Enum.EARLIEST_IN_PANE,
      latest: pb.OutputTime_Enum.LATEST_IN_PANE,
      endOfWindow: pb.OutputTime_Enum.END_OF_WINDOW,
    }[timestampCombiner],
  });
}

function triggerOf({ trigger }: pb.WindowingStrategy): string {
  if ((trigger?.trigger.case ?? 'default') === 'default') return '';
  const compared = clone(pb.TriggerSchema, trigger!);
  asPythonWrites(compared);
  return Buffer.from(toBinary(pb.TriggerSchema, compared)).toString('base64');
}

/**
 * Python's SDK writes the delay of an `afterProcessingTime` in whole seconds, leaves out its period, and leaves
 * out that an early or a late firing is repeated, since each is.
 */
function asPythonWrites(part: object): void {
  if ('$typeName' in part && part.$typeName === AFTER_END_OF_WINDOW) {
    const firings = part as pb.Trigger_AfterEndOfWindow;
    firings.earlyFirings = withoutRepeat(firings.earlyFirings);
    firings.lateFirings = withoutRepeat(firings.lateFirings);
  }
  for (const [name, value] of Object.entries(part) as [string, unknown][]) {
    if (name === 'timestampTransforms') {
      const times = value as pb.TimestampTransform[];
      let seconds = 0n;
      for (const { timestampTransform } of times.splice(0)) {
        if (timestampTransform.case !== 'delay') continue;
        seconds += timestampTransform.value.delayMillis / 1000n;
      }
      const delay = { case: 'delay', value: { delayMillis: seconds * 1000n } } as const;
      times.push(create(pb.TimestampTransformSchema, { timestampTransform: delay }));
    } else if (typeof value === 'object' && value !== null) asPythonWrites(value);
  }
}

const AFTER_END_OF_WINDOW = pb.Trigger_AfterEndOfWindowSchema.typeName;

function withoutRepeat(firing: pb.Trigger | undefined): pb.Trigger | undefined {
  if (firing?.trigger.case !== 'repeat') return firing;
  return withoutRepeat(firing.trigger.value.subtrigger);
}

/**
 * Refuses what goes by the windowing of such an output: a grouping, a combining, state, or a side input.
 *
 * @throws BeamBridgeError `UNSUPPORTED`
 */
export function checkChangedWindowing(
  { node, output, changes }: ChangedWindowing,
  components: pb.Components,
): void {
  const dependent = firstDependent(output, components);
  if (dependent === undefined) return;
  throw new BeamBridgeError(
    'UNSUPPORTED',
    `the transform gives its output another ${changes.join(' and ')}, which cannot be declared, and ${dependent} goes by it`,
    {
      ...node.errorDetails,
      hint: 'Await applyAsync(…) without declared outputs: it takes the windowing from the answer. Or apply windowInto(…) behind it.',
    },
  );
}

/** The name of the first transform behind a PCollection for which its trigger, lateness and the like count. */
function firstDependent(
  start: string,
  { transforms, pcollections, windowingStrategies }: pb.Components,
): string | undefined {
  const moved = within(transforms, RESHUFFLE);
  const reached = new Set([start]);
  const windowingOf = (id: string) => {
    const strategy = windowingStrategies[pcollections[id]?.windowingStrategyId ?? ''];
    return strategy && contentOf(strategy);
  };
  for (const id of reached) {
    for (const [key, transform] of Object.entries(transforms)) {
      const tags = Object.keys(transform.inputs).filter((tag) => transform.inputs[tag] === id);
      if (tags.length === 0 || moved.has(key)) continue;
      if (dependsOnIt(transform, tags)) return transform.uniqueName;
      const urn = transform.spec?.urn;
      // The parts of a composite are looked at by themselves.
      const isComposite = transform.subtransforms.length > 0 && urn !== RESHUFFLE;
      if (isComposite || urn === ASSIGN_WINDOWS) continue;
      for (const next of Object.values(transform.outputs)) {
        // What has a windowing of its own was given it there.
        if (windowingOf(next) === windowingOf(start)) reached.add(next);
      }
    }
  }
  return undefined;
}

function dependsOnIt({ spec }: pb.PTransform, tags: readonly string[]): boolean {
  switch (spec?.urn) {
    case GROUP_BY_KEY:
    case COMBINE_PER_KEY:
    case COMBINE_GLOBALLY:
      return true;
    case PAR_DO: {
      const payload = fromBinary(pb.ParDoPayloadSchema, spec.payload);
      const hasState = [payload.stateSpecs, payload.timerFamilySpecs].some(
        (specs) => Object.keys(specs).length > 0,
      );
      return hasState || tags.some((tag) => Object.hasOwn(payload.sideInputs, tag));
    }
    default:
      return false;
  }
}

/** Ids of all that composites of a URN are made of. */
function within(transforms: Table<pb.PTransform>, urn: string): Set<string> {
  const found = new Set(
    Object.values(transforms).flatMap(({ spec, subtransforms }) =>
      spec?.urn === urn ? subtransforms : [],
    ),
  );
  for (const id of found) for (const part of transforms[id]?.subtransforms ?? []) found.add(part);
  return found;
}
