// SPDX-License-Identifier: Apache-2.0
// From a list of random steps to a graph of which every step is legal: both the SDK and the reference
// are given this. What a step cannot do to its input is left out, and what Beam's model does not fix
// (the panes of a batch under a trigger, say) is marked, so that it is not compared.

import type { Program, Source, Step, WindowSpec } from './program.ts';
import { isPortableType, type Type } from './types.ts';

/** What is known of a PCollection. */
export interface Facts {
  readonly type: Type;
  readonly window: WindowSpec;
  /** Whether elements may come out in several panes. */
  readonly isTriggered: boolean;
  /** Whether timestamps are within some minutes of 1970, not at the ends of time. */
  readonly hasTimes: boolean;
  /** Whether they may lie outside of the element's window. */
  readonly isMoved: boolean;
  /** What the model fixes besides values and windows. */
  readonly fixes: { readonly timestamp: boolean; readonly pane: boolean };
  readonly stamp: 'endOfWindow' | 'earliest' | 'latest';
}

export interface PlanNode {
  readonly facts: Facts;
  readonly source?: Source;
  readonly step?: Step;
  /** Numbers of the nodes before it, the one that the step is `on` first. */
  readonly inputs: readonly number[];
  isObserved: boolean;
}

export function planOf(program: Program): PlanNode[] {
  const nodes: PlanNode[] = program.sources.map((source) => ({
    source,
    inputs: [],
    facts: {
      type: source.file ? rowOf(source.type) : source.type,
      window: { kind: 'global' },
      isTriggered: false,
      hasTimes: false,
      isMoved: false,
      // Its elements may have been moved by a grouping, which leaves its pane on some runners.
      fixes: { timestamp: true, pane: false },
      stamp: 'endOfWindow',
    },
    isObserved: true,
  }));
  for (const step of program.steps) addStep(nodes, step);
  return nodes;
}

/** What a file has of values: rows. */
function rowOf(type: Type): Type {
  if (type === 'js') return { row: ['string'] };
  return typeof type === 'object' && 'row' in type ? type : { row: [type] };
}

function addStep(nodes: PlanNode[], step: Step): void {
  // Counted from the newest, so that chains are long while a program is short.
  const at = (n: number) => nodes.length - 1 - (n % nodes.length);
  const on = at(step.on);
  const input = nodes[on]!;
  if (step.op === 'observe') {
    input.isObserved = true;
    return;
  }
  const others = namedInputs(step).map(at);
  const inputs = [on, ...others.filter((other) => fits(step, input.facts, nodes[other]!.facts))];
  if (!isLegal(step, input.facts, inputs)) return;
  for (const one of inputs) nodes[one]!.isObserved = false;
  const known = inputs.map((one) => nodes[one]!.facts);
  nodes.push({ step, inputs, facts: factsAfter(step, known), isObserved: true });
}

function namedInputs(step: Step): readonly number[] {
  if (step.op === 'flatten' || step.op === 'coGroup') return step.with;
  return step.op === 'side' ? [step.from] : [];
}

/** Whether another input may join. */
function fits(step: Step, input: Facts, other: Facts): boolean {
  if (step.op === 'side') {
    return other.window.kind !== 'sessions' && !hasGaps(other.window) && !other.isTriggered;
  }
  return (
    JSON.stringify(input.window) === JSON.stringify(other.window) &&
    input.isTriggered === other.isTriggered &&
    input.stamp === other.stamp
  );
}

/** Whether some moments are in no window: a side input in such windows is refused for them. */
function hasGaps(window: WindowSpec): boolean {
  return window.kind === 'sliding' && window.size < window.period;
}

function isLegal(step: Step, input: Facts, inputs: readonly number[]): boolean {
  switch (step.op) {
    case 'combine':
    case 'coGroup':
      return !input.isTriggered;
    case 'side':
      // Its window would lie at the end of time.
      return inputs.length === 2 && !input.isTriggered;
    case 'timestamps':
      return input.window.kind === 'global';
    case 'move':
      return input.hasTimes && input.fixes.timestamp;
    case 'state':
      return input.window.kind !== 'sessions';
    case 'python':
      return !(
        PYTHON_GROUPS.has(step.how) &&
        (input.isTriggered || input.window.kind === 'sessions')
      );
    default:
      return true;
  }
}

type WindowStep = Extract<Step, { op: 'window' }>;

/** Sessions have no other trigger here: what an early pane holds depends on what has merged by then. */
export function triggerOf(step: WindowStep): WindowStep['trigger'] {
  return step.into.kind === 'sessions' ? 'default' : step.trigger;
}

/** Whether elements must be given timestamps first, that it is certain in which windows they are. */
export function needsTimes(step: WindowStep, input: Facts): boolean {
  return step.into.kind !== 'global' && !(input.hasTimes && input.fixes.timestamp);
}

const PYTHON_GROUPS: ReadonlySet<string> = new Set(['coGroup', 'count', 'side']);

function factsAfter(step: Step, inputs: readonly Facts[]): Facts {
  const input = inputs[0]!;
  const untyped: Facts = { ...input, type: 'js' };
  switch (step.op) {
    case 'filter':
      return input;
    case 'reshuffle':
      return { ...input, fixes: { ...input.fixes, pane: false } };
    case 'timestamps':
      return { ...input, hasTimes: true, fixes: { ...input.fixes, timestamp: true } };
    case 'move':
      return { ...untyped, isMoved: true };
    case 'to':
      return { ...input, type: step.type };
    case 'flatten':
      return {
        ...input,
        type: inputs.every(({ type }) => JSON.stringify(type) === JSON.stringify(input.type))
          ? input.type
          : 'js',
        hasTimes: inputs.every(({ hasTimes }) => hasTimes),
        isMoved: inputs.some(({ isMoved }) => isMoved),
        fixes: {
          timestamp: inputs.every(({ fixes }) => fixes.timestamp),
          pane: inputs.every(({ fixes }) => fixes.pane),
        },
      };
    case 'split':
      return step.how === 'partition' ? input : untyped;
    case 'window':
      return {
        ...input,
        window: step.into,
        hasTimes: input.hasTimes || needsTimes(step, input),
        isMoved: false,
        isTriggered: triggerOf(step) !== 'default',
        stamp: step.stamp,
        fixes: {
          timestamp: input.fixes.timestamp || needsTimes(step, input),
          pane: false,
        },
      };
    case 'group':
    case 'combine':
    case 'coGroup':
      return grouped(untyped);
    case 'state':
      return {
        ...untyped,
        hasTimes: input.window.kind !== 'global',
        isMoved: false,
        fixes: { timestamp: true, pane: false },
      };
    case 'emit':
      return { ...untyped, fixes: { ...input.fixes, pane: false } };
    case 'python': {
      const type = step.how === 'identity' || step.how === 'keep' ? portable(input.type) : 'string';
      if (step.how === 'coGroup' || step.how === 'count') {
        const groups = groupedIn(untyped, 'endOfWindow');
        // Python's own runner does not say that its pane is the last.
        return { ...groups, type, fixes: { ...groups.fixes, pane: false } };
      }
      return { ...input, type };
    }
    default:
      return untyped;
  }
}

function portable(type: Type): Type {
  return isPortableType(type) ? type : 'string';
}

function grouped(input: Facts): Facts {
  return groupedIn(input, input.stamp);
}

function groupedIn(input: Facts, stamp: Facts['stamp']): Facts {
  const atTheEnd = stamp === 'endOfWindow';
  return {
    ...input,
    hasTimes: atTheEnd ? input.window.kind !== 'global' : input.hasTimes,
    isMoved: input.isMoved && !atTheEnd,
    fixes: {
      // Whether the time of a pane is kept within the window, runners do not agree on.
      timestamp: atTheEnd || (input.fixes.timestamp && !input.isTriggered && !input.isMoved),
      pane: !input.isTriggered,
    },
  };
}
