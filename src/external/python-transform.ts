// SPDX-License-Identifier: Apache-2.0
// Python transforms by name or source text.

import { BeamBridgeError, checkOptionNames, checkTexts, type OptionNames } from '../base/index.ts';
import type {
  ExpansionServiceChoice,
  ExternalRequest,
  PCollection,
  PValue,
} from '../pipeline/index.ts';
import {
  EXTERNAL_OPTIONS,
  type ExternalOptions,
  ExternalTransform,
  type OutputType,
  serviceChoice,
} from './external-transform.ts';
import { encodePayload } from './payload.ts';
import { checkArgumentNames } from './python-names.ts';

/** Beam's name for a Python transform that is found by its own name. */
const FULLY_QUALIFIED_NAMED = 'beam:transforms:python:fully_qualified_named';

/** What a Python transform needs besides its arguments. */
export interface PythonTransformOptions extends ExternalOptions {
  /**
   * Sets of packages that the managed Python is built with, such as `sklearn`. Beside
   * `expansionService`: what the runner `direct` needs to run the stages that come from there.
   *
   * @default none
   */
  extras?: readonly string[] | undefined;
  /** Packages from PyPI (`name` or `name==version`) or paths of local ones. @default none */
  packages?: readonly string[] | undefined;
  /** `HOST:PORT` of an expansion service to use instead of the managed Python. */
  expansionService?: string | undefined;
}

const OPTIONS: OptionNames<PythonTransformOptions> = {
  ...EXTERNAL_OPTIONS,
  extras: true,
  packages: true,
  expansionService: true,
};

type Arguments = readonly unknown[] | Readonly<Record<string, unknown>>;

/**
 * A Python transform, found by its dotted name:
 *
 * - the name of a PTransform class, or of a function that returns a PTransform, called with the
 *   arguments: `pythonTransform('apache_beam.Map', [pythonCallable('str.upper')])`;
 * - `'__constructor__'`, with source text of such a class or function as the argument `source`;
 * - `'__callable__'`, with source text of a function from PCollection to PCollection as `source`.
 *
 * Arguments are values of schema types: their types are inferred, or given by {@link typed}. Plain
 * objects become rows, `Map`s dicts, arrays lists.
 *
 * Whoever chooses the name or the source text decides which code Python runs.
 *
 * @param argsOrKwargs - positional arguments, or keyword arguments when it is an object
 * @throws BeamBridgeError as {@link rawExternalTransform}
 * @example
 * ```ts
 * const upper = words.apply(
 *   pythonTransform('apache_beam.Map', [pythonCallable('str.upper')], {}, { output: string }),
 * );
 * ```
 */
export function pythonTransform<T>(
  name: string,
  argsOrKwargs: Arguments | undefined,
  kwargs: Readonly<Record<string, unknown>> | undefined,
  options: PythonTransformOptions & { output: OutputType<T> },
): ExternalTransform<PValue, PCollection<T>>;
// What nobody declared is any, as in the official SDK: `const r = await pc.applyAsync(…); r.apply(…)`.
export function pythonTransform<
  InputT extends PValue = PValue,
  // biome-ignore lint/suspicious/noExplicitAny: as above
  OutputT extends PValue = any,
>(
  name: string,
  argsOrKwargs?: Arguments,
  kwargs?: Readonly<Record<string, unknown>>,
  options?: PythonTransformOptions,
): ExternalTransform<InputT, OutputT>;
export function pythonTransform(
  name: string,
  argsOrKwargs: Arguments = [],
  kwargs?: Readonly<Record<string, unknown>>,
  options: PythonTransformOptions = {},
): ExternalTransform<PValue, PValue> {
  checkOptionNames('pythonTransform', options, OPTIONS);
  return pythonTransformIn(pythonService(options), name, argsOrKwargs, kwargs, options);
}

/**
 * A {@link pythonTransform} that the given service expands.
 *
 * @param mark - see {@link ExternalRequest}
 */
export function pythonTransformIn(
  service: ExpansionServiceChoice,
  name: string,
  argsOrKwargs: Arguments,
  kwargs: Readonly<Record<string, unknown>> | undefined,
  options: ExternalOptions,
  mark?: string,
): ExternalTransform<PValue, PValue> {
  const positional = isPositional(argsOrKwargs);
  if (!positional && kwargs) {
    throw new BeamBridgeError('INVALID_ARGUMENT', 'keyword arguments are given twice', {
      hint: 'Pass them once: after an array of positional arguments, or in its place.',
    });
  }
  const named = positional ? kwargs : argsOrKwargs;
  const payload = encodePayload(
    {
      constructor: name,
      args: positional
        ? Object.fromEntries(argsOrKwargs.map((value, i) => [`arg${i}`, value]))
        : {},
      kwargs: { ...named },
    },
    (type) => checkArgumentNames(type, name),
  );
  const label = name.startsWith('__') ? 'Python' : `Python(${name})`;
  const transform = new NamedTransform(label, FULLY_QUALIFIED_NAMED, payload, service, options);
  transform.mark = mark;
  return transform;
}

/** One whose request may be known again. */
class NamedTransform extends ExternalTransform<PValue, PValue> {
  mark: string | undefined;

  protected override requestOf(): Pick<ExternalRequest, 'mark'> {
    return this.mark === undefined ? {} : { mark: this.mark };
  }
}

function isPositional(given: Arguments): given is readonly unknown[] {
  return Array.isArray(given);
}

/**
 * The service that options ask for.
 *
 * @param isExact - whether an environment that has more may not stand in
 * @throws BeamBridgeError `INVALID_ARGUMENT` for packages beside an address
 */
export function pythonService(
  options: PythonTransformOptions,
  isExact = true,
): ExpansionServiceChoice {
  const { extras = [], packages = [], expansionService } = options;
  checkTexts('extras', extras);
  checkTexts('packages', packages);
  if (expansionService === undefined) return { kind: 'python', extras, packages, isExact };
  if (packages.length > 0) {
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      'packages are given for an expansion service that somebody else runs',
      { hint: 'Install them where that service runs, or leave its address out.' },
    );
  }
  return { ...serviceChoice(expansionService), extras };
}
