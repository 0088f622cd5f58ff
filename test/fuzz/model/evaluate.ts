// SPDX-License-Identifier: Apache-2.0
// The reference: what a batch pipeline gives by Beam's model, worked out step by step on arrays, each
// element in one window. Slow and plain, and none of it is the engine's.

import { canon } from '../canon.ts';
import { converted, isKept, keyOf, MAPS, partOf, several, sorted, timeOf } from '../functions.ts';
import { needsTimes, type PlanNode } from '../plan.ts';
import { nthValue } from '../types.ts';
import { combined, combinedTogether } from './combine.ts';
import { coGrouped, type Element, grouped, ONLY_PANE } from './group.ts';
import { becomesText, inPython } from './python.ts';
import { withSide } from './side.ts';
import { claimed, emitted, stateful } from './stateful.ts';
import { windowsAt } from './windows.ts';

const START_OF_TIME = Number(-9223372036854775n);

/** The elements of every node. */
export function evaluate(plan: readonly PlanNode[]): Element[][] {
  const results: Element[][] = [];
  for (const node of plan) {
    results.push(
      node.source
        ? node.source.numbers.map((n) => ({
            value: nthValue(node.facts.type, n),
            at: START_OF_TIME,
            window: null,
            pane: 'none',
          }))
        : evaluateStep(
            node,
            node.inputs.map((input) => results[input]!),
            plan,
          ),
    );
  }
  return results;
}

const mapped = (input: Element[], fn: (value: unknown) => unknown): Element[] =>
  input.map((element) => ({ ...element, value: fn(element.value) }));

function evaluateStep(node: PlanNode, inputs: Element[][], plan: readonly PlanNode[]): Element[] {
  const step = node.step!;
  const input = inputs[0]!;
  const before = plan[node.inputs[0]!]!.facts;
  switch (step.op) {
    case 'map':
      return mapped(input, MAPS[step.how]);
    case 'flatMap':
      return input.flatMap((element) =>
        several(element.value).map((value) => ({ ...element, value })),
      );
    case 'filter':
      return input.filter(({ value }) => isKept(value, step.modulus));
    case 'to':
      return mapped(input, (value) => converted(step.type, value));
    case 'flatten':
      return inputs.flat();
    case 'reshuffle':
    case 'observe':
      return input;
    case 'group': {
      const groups = grouped(input, before, (value) => keyOf(step.keys, step.buckets, value));
      if (!before.isTriggered) {
        return groups.map(({ key, values, ...rest }) => ({
          ...rest,
          value: { key, values: sorted(values) },
        }));
      }
      // In which panes they come is not fixed, that each comes once is.
      return groups.flatMap(({ key, values, ...rest }) =>
        values.map((value) => ({ ...rest, value: { key, value } })),
      );
    }
    case 'combine':
      return step.how === 'together'
        ? combinedTogether(step, input, before)
        : combined(step, input, before);
    case 'coGroup':
      return coGrouped(inputs, before, (value) => keyOf(step.keys, step.buckets, value));
    case 'side':
      return withSide(step, input, inputs[1]!, plan[node.inputs[1]!]!.facts);
    case 'timestamps':
      return input.map((element) => ({ ...element, at: timeOf(element.value, step.span) }));
    case 'move':
      return input.map((element) => ({ ...element, at: element.at + step.by }));
    case 'window': {
      const timed = needsTimes(step, before)
        ? input.map((element) => ({ ...element, at: timeOf(element.value, 10_000) }))
        : input;
      // An element that was in several windows is one element in each of them by now; assigning
      // windows anew makes copies of each.
      return timed.flatMap((element) =>
        windowsAt(step.into, element.at).map((window) => ({ ...element, window })),
      );
    }
    case 'state':
      return stateful(step, input);
    case 'split':
      return input.filter(({ value }) => partOf(value, step.parts) === step.take % step.parts);
    case 'emit':
      return emitted(step, input, before);
    case 'splittable':
      return claimed(step, input);
    case 'python':
      return inPython(
        step.how,
        becomesText(step.how, before) ? mapped(input, MAPS.text) : input,
        before,
      );
  }
}

/** Each element as a line of text, with what the model fixes. */
export function described(node: PlanNode, elements: readonly Element[]): string[] {
  return elements
    .map(({ value, at, window, pane }) =>
      describe(
        node,
        value,
        at,
        window ? `[${window[0]}, ${window[1]})` : 'GlobalWindow',
        pane === ONLY_PANE ? 'only' : 'none',
      ),
    )
    .sort();
}

/** The line of one element. */
export function describe(
  node: PlanNode,
  value: unknown,
  at: number,
  window: string,
  pane: string,
): string {
  const { fixes } = node.facts;
  // Python's global window ends one millisecond earlier.
  const time = at > 9.22e15 ? 'the end' : `${at}`;
  return `${canon(value)} ${fixes.timestamp ? time : '-'} ${window} ${fixes.pane ? pane : '-'}`;
}
