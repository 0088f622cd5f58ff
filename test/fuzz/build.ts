// SPDX-License-Identifier: Apache-2.0
// Builds a random pipeline on the SDK, as a user would write it, with what it gives kept by node.

import type { PCollection, Root } from '../../src/pipeline/index.ts';
import { P } from '../../src/pipeline/index.ts';
import { coderOf } from '../../src/schema/index.ts';
import {
  assignTimestamps,
  create,
  flatten,
  paneInfoParam,
  parDo,
  reshuffle,
  timestamped,
  timestampParam,
  windowInto,
  windowParam,
  withCoder,
  withName,
  withSchema,
} from '../../src/transforms/index.ts';
import { claims, emits, keepsState } from './build/do-fns.ts';
import { flatMapped, mapped, part } from './build/elementwise.ts';
import { coGroup, combine, group } from './build/grouping.ts';
import { inPython } from './build/python.ts';
import { withSide } from './build/side.ts';
import { triggers, windowFnOf } from './build/windows.ts';
import type { Sources } from './files.ts';
import { converted, isKept, timeOf } from './functions.ts';
import { describe } from './model/evaluate.ts';
import { needsTimes, type PlanNode, triggerOf } from './plan.ts';
import { nthValue, schemaOf, type Type } from './types.ts';

type Any = PCollection<unknown>;

/** What came out of a node of the plan, a line for each element. */
export type Outputs = Map<number, string[]>;

/**
 * Applies the pipeline; its outputs are there when the run has ended.
 *
 * @param isApart - whether what keeps them is in stages of its own, which stay on the main thread
 */
export function build(
  root: Root,
  plan: readonly PlanNode[],
  name: string,
  sources: Sources = new Map(),
  isApart = false,
): Outputs {
  const outputs: Outputs = new Map();
  const pcolls: Any[] = [];
  plan.forEach((node, index) => {
    const at = (part: string) => `${name} ${index} ${part}`;
    const pcoll = node.source
      ? root.apply(
          withName(at('source'), sources.get(node) ?? source(node.facts.type, node.source.numbers)),
        )
      : applyStep(
          plan,
          node,
          node.inputs.map((input) => pcolls[input]!),
          at(node.step!.op),
        );
    pcolls.push(pcoll);
    if (!node.isObserved) return;
    const lines: string[] = [];
    outputs.set(index, lines);
    const seen = isApart ? pcoll.apply(withName(at('apart'), reshuffle<unknown>())) : pcoll;
    const observed = seen.apply(withName(at('observed'), parDo(observer(node, lines), PARAMS)));
    observed.node.producer.staysHere = 'keeps what the test looks at';
  });
  return outputs;
}

const PARAMS = { at: timestampParam(), window: windowParam(), pane: paneInfoParam() };

function observer(node: PlanNode, lines: string[]) {
  return {
    process(value: unknown, { at, window, pane }: typeof PARAMS) {
      const { isFirst, timing, index, onTimeIndex } = pane.lookup();
      // Whether it is the last one, Python's runner does not say under every windowing.
      const text = timing === 3 ? 'none' : `${isFirst} ${timing} ${index} ${onTimeIndex}`;
      const isOnly = text === 'true 1 0 0';
      lines.push(describe(node, value, at.lookup(), `${window.lookup()}`, isOnly ? 'only' : text));
    },
  };
}

function source(type: Type, numbers: readonly number[]) {
  const schema = schemaOf(type);
  const values = numbers.map((n) => nthValue(type, n));
  return schema ? create<unknown>(values, { schema }) : create(values);
}

function applyStep(
  plan: readonly PlanNode[],
  node: PlanNode,
  inputs: readonly Any[],
  name: string,
): Any {
  const step = node.step!;
  const input = inputs[0]!;
  const before = plan[node.inputs[0]!]!.facts;
  const named = (transform: Parameters<typeof withName>[1]) =>
    withName(name, transform as never) as never;
  switch (step.op) {
    case 'map':
      return mapped(input, step);
    case 'flatMap':
      return flatMapped(input, step);
    case 'filter':
      return input.filter((value) => isKept(value, step.modulus));
    case 'to': {
      const values = input.map((value) => converted(step.type, value));
      const schema = schemaOf(step.type);
      if (!schema) return values;
      return step.how === 'schema'
        ? values.apply(withSchema(schema))
        : values.apply(withCoder(coderOf(schema)));
    }
    case 'flatten':
      return P([...inputs]).apply(named(flatten()));
    case 'reshuffle':
      return input.apply(reshuffle());
    case 'group':
      return group(input, step, before);
    case 'combine':
      return combine(input, step);
    case 'coGroup':
      return coGroup(inputs, step);
    case 'side':
      return withSide(input, inputs[1]!, step);
    case 'timestamps':
      return input.apply(assignTimestamps((value) => timeOf(value, step.span)));
    case 'move':
      return input.map((value, at) => timestamped(value, at.lookup() + step.by), timestampParam());
    case 'window': {
      const timed = needsTimes(step, before)
        ? input.apply(assignTimestamps((value) => timeOf(value, 10_000)))
        : input;
      const trigger = triggers[triggerOf(step)];
      return timed.apply(
        windowInto(windowFnOf(step.into), {
          timestampCombiner: step.stamp,
          ...(trigger ? { trigger: trigger(), accumulationMode: 'discarding' } : {}),
          ...(!trigger && step.accumulates ? { accumulationMode: 'accumulating' } : {}),
        }),
      );
    }
    case 'state':
      return keepsState(input, step);
    case 'split':
      return part(input, step);
    case 'emit':
      return emits(input, step, before);
    case 'splittable':
      return claims(input, step);
    case 'python':
      return inPython(input, step, before);
    case 'observe':
      return input;
  }
}
