// SPDX-License-Identifier: Apache-2.0
// What is given to `apply` and is no transform: said in words, with what to give in its place. Untyped
// programs come here, and those of whoever forgot one word, such as the `of` of RunInference.

import { BeamBridgeError, isThenable } from '../base/index.ts';
import { describeValue } from '../coders/index.ts';
import { isSchemaType } from '../schema/index.ts';
import { callSite, extractName } from './names.ts';
import { PCollection } from './pvalue.ts';

const WHAT_IS_ONE =
  'Pass what a function such as groupByKey() or writeToText(…) returns, a PTransformClass with an expand method, or a function of the PCollection.';

/**
 * Refuses what cannot be applied, before anything of it is in the pipeline.
 *
 * @param method - what a transform has that is no function
 * @throws BeamBridgeError `INVALID_ARGUMENT` with what was given and what to give
 */
export function checkTransform(
  given: unknown,
  method: 'expandInternal' | 'expandInternalAsync',
): void {
  if (typeof given === 'function' ? !isClass(given) : hasMethod(given, method)) return;
  throw new BeamBridgeError(
    'INVALID_ARGUMENT',
    `apply was given ${describe(given)}, which is no transform`,
    { transform: extractName(given) ?? 'apply', appliedAt: callSite(), hint: hintFor(given) },
  );
}

/**
 * Refuses a transform as the output of one: a function that makes transforms was applied itself.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT`
 */
export function checkOutput(output: unknown, name: string): void {
  if (!hasMethod(output, 'expandInternal')) return;
  throw new BeamBridgeError('INVALID_ARGUMENT', `${name} gave a transform and no PCollection`, {
    hint: `A function that makes transforms is called where it is applied: .apply(${name}(…)).`,
  });
}

function hasMethod(given: unknown, method: string): boolean {
  const isObject = (typeof given === 'object' && given !== null) || typeof given === 'function';
  return isObject && typeof (given as Record<string, unknown>)[method] === 'function';
}

// biome-ignore lint/complexity/noBannedTypes: any function at all.
function isClass(given: Function): boolean {
  return /^class\b/.test(Function.prototype.toString.call(given));
}

function describe(given: unknown): string {
  if (typeof given === 'function') return `the class ${given.name || 'without a name'}`;
  if (hasMethod(given, 'process')) return `the DoFn ${describeValue(given)}`;
  return isModelHandler(given) ? `the model handler ${given.name}` : describeValue(given);
}

function hintFor(given: unknown): string {
  if (typeof given === 'function') {
    if (hasMethod(given, 'ofKVs')) return `Apply what it makes: ${given.name}.of(handler).`;
    if (hasMethod(given.prototype, 'process'))
      return `Apply a DoFn with parDo: parDo(new ${given.name}()).`;
    return `Apply an instance: new ${given.name}(…).`;
  }
  if (given === undefined || given === null)
    return `${WHAT_IS_ONE} A name that is imported and undefined is one that its module does not export, or not yet.`;
  if (given instanceof PCollection)
    return 'Put PCollections together with P([a, b]).apply(flatten()).';
  if (isThenable(given)) return 'Await it first, in an async function.';
  if (isModelHandler(given)) return 'Give it to RunInference: RunInference.of(handler).';
  if (hasMethod(given, 'process')) return 'Apply a DoFn with parDo: parDo(doFn).';
  if (hasMethod(given, 'createAccumulator'))
    return 'Apply a combiner with combinePerKey(combiner) or combineGlobally(combiner).';
  if (hasMethod(given, 'assignWindows') || hasMethod(given, 'windowCoder'))
    return 'Apply a window function with windowInto(windowFn).';
  if (isSchemaType(given)) return 'Declare the type of elements with withSchema(type).';
  if (hasMethod(given, 'encode')) return 'Declare how elements are encoded with withCoder(coder).';
  return WHAT_IS_ONE;
}

/** As handlers look that `sklearn`, `modelHandler` and the like make, in a room that this one knows nothing of. */
function isModelHandler(given: unknown): given is { readonly name: string } {
  return typeof given === 'object' && given !== null && 'language' in given && 'inference' in given;
}
