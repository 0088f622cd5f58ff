// SPDX-License-Identifier: Apache-2.0
// The options that all of Python's handlers have, and what is wrong with a value before Python sees
// it. An option's name is Beam's in camelCase.

import { BeamBridgeError, unknownOption } from '../../base/index.ts';
import type { PythonCallable } from '../../external/index.ts';
import type { SchemaType } from '../../schema/index.ts';
import type { PythonExtra } from '../../services/index.ts';
import { type PythonModelHandler, pythonModelHandler } from './handler.ts';

/**
 * A Python function or class: dotted name, or source text whose last statement is one. Python runs
 * the text as it is: never build it from input that you do not trust.
 */
export type PythonFunction = string | PythonCallable;

/** A value that JSON can hold: what options that are handed on to a framework are made of. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue | undefined };

/** Arguments that are handed on to a framework's own function, by their Python names. */
export type JsonArguments = Readonly<Record<string, JsonValue>>;

/** What every handler declares. */
export interface DeclaredTypes<ExampleT, InferenceT> {
  /** Type of the examples. */
  example: SchemaType<ExampleT>;
  /** Type of the predictions. What does not fit it is an error: nothing is rounded or cut. */
  inference: SchemaType<InferenceT>;
}

/** Options of every handler that Python runs. */
export interface PythonHandlerOptions {
  /** Least rows that a batch waits for. @default 1 */
  minBatchSize?: number;
  /** Most rows in a batch. @default found by measuring, up to 10,000 */
  maxBatchSize?: number;
  /** Seconds that a batch waits for more rows. @default does not wait */
  maxBatchDurationSecs?: number;
  /** Most weight of a batch, the sum of `elementSizeFn` over its rows. */
  maxBatchWeight?: number;
  /** Function of an example that gives its weight. */
  elementSizeFn?: PythonFunction;
  /** Function of an example that gives its length, to batch examples of like length together. */
  batchLengthFn?: PythonFunction;
  /** Ascending lengths at which a new group of like lengths begins. Needs `batchLengthFn`. */
  batchBucketBoundaries?: readonly number[];
  /** Whether one copy of the model is shared by all workers of a machine. @default false */
  largeModel?: boolean;
  /** How many copies of the model a machine holds, shared by its workers. @default one a worker */
  modelCopies?: number;
  /** Environment variables that are set before the model is loaded. */
  envVars?: Readonly<Record<string, string>>;
  /** Further Python packages, as pip takes them: names on PyPI, or paths of local ones. */
  packages?: readonly string[];
}

/** Says what is wrong with a value, as the end of "modelUri is …"; nothing when it is right. */
export type Check = (value: unknown) => string | undefined;

const must = (fits: (value: unknown) => boolean, wanted: string): Check => {
  return (value) => (fits(value) ? undefined : `not ${wanted}`);
};

const isText = (value: unknown) => typeof value === 'string' && value.trim() !== '';
const isRecord = (value: unknown) =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;

export const text = must(isText, 'a text');
export const flag = must((value) => typeof value === 'boolean', 'true or false');
export const count = must(
  (value) => Number.isSafeInteger(value) && (value as number) >= 1,
  'a whole number from 1',
);
export const pythonFunction = must(
  (value) => isText(value) || isText((value as PythonCallable | null)?.expr),
  'the name or text of a Python function',
);
export const jsonArguments: Check = (value) =>
  isRecord(value) ? whyNotJson(value) : 'not an object of arguments';
export const jsonObjects: Check = (value) =>
  Array.isArray(value) && value.every(isRecord) ? whyNotJson(value) : 'not an array of objects';
export const texts = must(
  (value) => Array.isArray(value) && value.every(isText),
  'an array of texts',
);

export function oneOf(...values: readonly string[]): Check {
  return must(
    (value) => values.includes(value as string),
    values.map((v) => `'${v}'`).join(' or '),
  );
}

function whyNotJson(value: unknown): string | undefined {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return undefined;
  if (typeof value === 'number') {
    return Number.isFinite(value) ? undefined : `${value}, which JSON cannot hold`;
  }
  if (Array.isArray(value) || isRecord(value)) {
    return Object.values(value as object)
      .filter((part) => part !== undefined)
      .map(whyNotJson)
      .find((why) => why !== undefined);
  }
  return `holding a ${typeof value === 'object' ? (value?.constructor?.name ?? 'object') : typeof value}, which JSON cannot hold`;
}

const ascending = (value: unknown) =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((each, i) => typeof each === 'number' && each > (i === 0 ? 0 : value[i - 1]));

const COMMON: Readonly<Record<keyof PythonHandlerOptions, Check>> = {
  minBatchSize: count,
  maxBatchSize: count,
  maxBatchDurationSecs: must(
    (value) => typeof value === 'number' && value > 0 && Number.isFinite(value),
    'a number of seconds above 0',
  ),
  maxBatchWeight: count,
  elementSizeFn: pythonFunction,
  batchLengthFn: pythonFunction,
  batchBucketBoundaries: must(ascending, 'an array of ascending numbers above 0'),
  largeModel: flag,
  modelCopies: count,
  envVars: must(
    (value) =>
      isRecord(value) && Object.values(value as object).every((v) => typeof v === 'string'),
    'an object of texts',
  ),
  packages: texts,
};

/** Options of one handler by name, with what may be given for each. */
export type Checks<OptionsT> = Readonly<
  Record<Exclude<keyof OptionsT, keyof PythonHandlerOptions | 'example' | 'inference'>, Check>
>;

/** What {@link checkedHandler} makes a handler of. */
export interface HandlerSpec<OptionsT, ExampleT, InferenceT> {
  /** The function that the user called. */
  name: string;
  /** Name of Python's function below `beambridge_host.handlers`, if not the same in its own module. */
  provider: string;
  /** Pinned packages that it needs. @default none beyond Beam's own */
  extra?: PythonExtra;
  checks: Checks<OptionsT>;
  required: readonly (keyof OptionsT & string)[];
  types: DeclaredTypes<ExampleT, InferenceT>;
  /** Options of every handler that this one does not have. */
  lacks?: readonly (keyof PythonHandlerOptions)[];
  /** Arguments of the provider besides the options. */
  more?: Readonly<Record<string, unknown>>;
}

/**
 * A handler of this package's, with its options checked and under their Python names.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT` for an option that is missing, unknown, or of a value
 *   that cannot be meant; `INVALID_SCHEMA` without types
 */
export function checkedHandler<OptionsT extends PythonHandlerOptions, ExampleT, InferenceT>(
  options: OptionsT,
  spec: HandlerSpec<OptionsT, ExampleT, InferenceT>,
): PythonModelHandler<ExampleT, InferenceT> {
  const { name, required, types } = spec;
  const refuse = (message: string, hint?: string) => {
    throw new BeamBridgeError('INVALID_ARGUMENT', `${name}: ${message}`, hint ? { hint } : {});
  };
  if (!isRecord(options)) {
    refuse(
      'there are no options',
      `Give an object, as in ${name}({ ${required[0] ?? 'example'}: … }).`,
    );
  }
  const checks: Record<string, Check> = { ...spec.checks, ...COMMON };
  for (const option of spec.lacks ?? []) delete checks[option];
  const kwargs: Record<string, unknown> = { ...spec.more };
  for (const [option, value] of Object.entries(options)) {
    if (value === undefined || option === 'example' || option === 'inference') continue;
    const check = Object.hasOwn(checks, option) ? checks[option] : undefined;
    if (!check) {
      throw unknownOption(name, option, ['example', 'inference', ...Object.keys(checks)]);
    }
    const wrong = check(value);
    if (wrong) refuse(`${option} is ${wrong}`);
    if (option !== 'packages') kwargs[pythonName(option)] = sourceOf(value);
  }
  const missing = required.find((option) => options[option] === undefined);
  if (missing) refuse(`${missing} is missing`);
  checkTogether(options, refuse);
  return pythonModelHandler({
    name,
    loader: `beambridge_host.handlers.${spec.provider}`,
    example: types.example,
    inference: types.inference,
    kwargs,
    extras: spec.extra ? [spec.extra] : [],
    packages: options.packages ?? [],
  });
}

function checkTogether(options: PythonHandlerOptions, refuse: (message: string) => void): void {
  const { minBatchSize = 1, maxBatchSize = minBatchSize } = options;
  if (minBatchSize > maxBatchSize) {
    refuse(`minBatchSize is ${minBatchSize}, above maxBatchSize, which is ${maxBatchSize}`);
  }
  if (options.maxBatchWeight !== undefined && options.elementSizeFn === undefined) {
    refuse('maxBatchWeight needs elementSizeFn, which says what an example weighs');
  }
  if (options.batchBucketBoundaries !== undefined && options.batchLengthFn === undefined) {
    refuse('batchBucketBoundaries needs batchLengthFn, which says how long an example is');
  }
}

/** `modelUri` as `model_uri`. */
function pythonName(option: string): string {
  return option.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function sourceOf(value: unknown): unknown {
  return isRecord(value) &&
    isText((value as PythonCallable).expr) &&
    'beamLogicalType' in (value as object)
    ? (value as PythonCallable).expr
    : value;
}

/** Whether examples have named parts: rows, and maps. */
export function isNamed(type: SchemaType): boolean {
  return type?.kind === 'row' || type?.kind === 'map';
}

/** Names of the fields of a row type; undefined for any other. */
export function fieldNames(type: SchemaType): string[] | undefined {
  return type?.kind === 'row' ? type.fields.map(({ name }) => name) : undefined;
}
