// SPDX-License-Identifier: Apache-2.0
// groupBy(…).combining(…): several combiners over one grouping, and a row of their results.

import { BeamBridgeError } from '../base/index.ts';
import { type Coder, describeValue, JsCoder, KVCoder, setField } from '../coders/index.ts';
import type { PCollection, TransformNode } from '../pipeline/index.ts';
import type { CombineFn } from './combine-fn.ts';
import { combineKeyed, toCombineFn } from './combine-per-key.ts';
import { combineTogether } from './combine-together.ts';
import { allKnown, field, type KeySpec, type Row, whenKnown } from './fields.ts';
import { checkGroupable, keyCoder } from './group-by-key.ts';
import { callable, mapStep } from './transform.ts';

interface CombineSpec {
  readonly valueOf: (element: unknown) => unknown;
  readonly combineFn: CombineFn<unknown, unknown, unknown>;
  readonly resultName: string;
}

/** A grouping with combiners, once its types are no longer known. */
interface Combining {
  combining(expression: unknown, combiner: unknown, resultName: string): Combining;
}

/** The method `combining` of a grouping that has these combiners already. */
export function combiningInto(name: string, key: KeySpec, specs: readonly CombineSpec[]) {
  return function combining(expression: unknown, combiner: unknown, resultName: string): Combining {
    const spec: CombineSpec = {
      valueOf: expressionOf(expression),
      combineFn: toCombineFn(combiner as CombineFn<unknown, unknown, unknown>, 'combining'),
      resultName: checkName(resultName, [...key.fields, ...specs.map((spec) => spec.resultName)]),
    };
    return groupAndCombine(name, key, [...specs, spec]);
  };
}

function groupAndCombine(name: string, key: KeySpec, specs: readonly CombineSpec[]): Combining {
  const expand = (input: PCollection<unknown>, _pipeline: unknown, node: TransformNode) => {
    checkGroupable(input, node);
    const plain = new JsCoder();
    const [only] = specs as [CombineSpec];
    const single = specs.length === 1;
    const pair = ([key, ...values]: unknown[]) => ({ key, value: single ? values[0] : values });
    return input
      .apply(
        mapStep(
          'extract',
          (element: unknown) =>
            whenKnown(
              allKnown([key.keyOf(element), ...specs.map((s) => s.valueOf(element))]),
              pair,
            ),
          new KVCoder(keyCoder<unknown>(), plain as Coder<unknown>),
        ),
      )
      .apply(
        combineKeyed(
          single
            ? only.combineFn
            : (combineTogether(specs.map((spec) => spec.combineFn)) as CombineSpec['combineFn']),
        ),
      )
      .apply(
        mapStep(
          'toRow',
          (combined: { key: unknown; value: unknown }) => {
            const row: Row = {};
            key.addTo(row, combined.key);
            const results = single ? [combined.value] : (combined.value as unknown[]);
            for (const [i, spec] of specs.entries()) {
              setField(row, spec.resultName, results[i]);
            }
            return row;
          },
          plain as Coder<unknown> as Coder<Row>,
        ),
      );
  };
  return callable(name, expand, { combining: combiningInto(name, key, specs) });
}

function expressionOf(expression: unknown): CombineSpec['valueOf'] {
  if (typeof expression === 'function') return expression as CombineSpec['valueOf'];
  if (typeof expression === 'string') return (element) => field(element, expression);
  throw new BeamBridgeError(
    'INVALID_ARGUMENT',
    `combining was given ${describeValue(expression)} to combine`,
    { hint: "Pass a field's name or a function of an element." },
  );
}

function checkName(name: string, taken: readonly string[]): string {
  if (typeof name !== 'string' || name === '') {
    throw new BeamBridgeError('INVALID_ARGUMENT', 'combining was given no name for its result', {
      hint: "Pass a name as its third argument: combining('price', sum, 'total').",
    });
  }
  if (!taken.includes(name)) return name;
  throw new BeamBridgeError(
    'INVALID_ARGUMENT',
    `two fields of the combined rows are named ${JSON.stringify(name)}`,
    { hint: 'Give each combining(…) a result name of its own, which is not that of the key.' },
  );
}
