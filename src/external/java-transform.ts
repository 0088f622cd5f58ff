// SPDX-License-Identifier: Apache-2.0
// Java's transforms by the names of their classes.

import { BeamBridgeError, checkOptionNames, type OptionNames } from '../base/index.ts';
import { type Coder, RowCoder } from '../coders/index.ts';
import type { PCollection, PValue, TransformNode } from '../pipeline/index.ts';
import { create, pb, toBinary, urns } from '../proto/index.ts';
import { ExternalTransform, type OutputType } from './external-transform.ts';
import { JAVA_OPTIONS, type JavaOptions, serviceOf } from './java-options.ts';
import { type EncodedArguments, encodeArguments } from './payload.ts';

/** What asks for a transform by its class. */
export const { JAVA_CLASS_LOOKUP } = urns.ExpansionMethods_Enum;

/** Arguments of a method: by position, or by the names of its parameters where Java was compiled with them. */
export type JavaArguments = readonly unknown[] | Readonly<Record<string, unknown>>;

/** What a Java transform is made with. */
export interface JavaTransformOptions extends JavaOptions {
  /** A static method of the class that makes the transform. @default its constructor */
  constructorMethod?: string | undefined;
  /** Arguments of the constructor, or of `constructorMethod`. @default none */
  args?: JavaArguments | undefined;
  /**
   * Methods that are called on the transform in this order, each giving the next one: an object of
   * arguments by name, or pairs where a method is called more than once. @default none
   */
  builderMethods?:
    | Readonly<Record<string, JavaArguments>>
    | readonly (readonly [method: string, args: JavaArguments])[]
    | undefined;
}

const OPTIONS: OptionNames<JavaTransformOptions> = {
  ...JAVA_OPTIONS,
  constructorMethod: true,
  args: true,
  builderMethods: true,
};

/** A transform that a service of Java expands. */
export class JavaTransform<InputT extends PValue, OutputT extends PValue> extends ExternalTransform<
  InputT,
  OutputT
> {
  /** None: Java would write its values with a coder of other values, and fail late or not at all. */
  protected override coderRequests(): ReadonlyMap<string, Coder<unknown>> {
    return new Map();
  }
}

/**
 * Refuses inputs of a transform that takes rows alone.
 *
 * @param what - what an input is to the transform: `input`, `table`
 * @param before - before what their types are to be said
 * @throws BeamBridgeError `NO_PORTABLE_TYPE`
 */
export function requireRows(node: TransformNode, what: string, before: string): void {
  for (const [tag, input] of node.inputs) {
    if (input.coder instanceof RowCoder) continue;
    throw new BeamBridgeError(
      'NO_PORTABLE_TYPE',
      `${what} ${JSON.stringify(tag)}, the output of ${input.producer.name}, has no rows (coder ${input.coder.name})`,
      {
        ...node.errorDetails,
        hint: `Say what they are before ${before}: .apply(withRowCoder(row({ … }))).`,
      },
    );
  }
}

/**
 * A Java transform by the full name of its class: its constructor or a static method is called, then
 * builder methods. Arguments are values of schema types, as for `pythonTransform`: whole numbers are sent
 * as `long`, others as `double`, and {@link typed} gives them other types: `typed(int32, 5)` is an `int`.
 *
 * What comes out must have a coder that all languages know; its declared type is compared with that coder.
 *
 * Whoever chooses the class and the arguments decides which code Java runs.
 *
 * @param className - with its package; a nested class after `$`
 * @throws BeamBridgeError `INVALID_ARGUMENT`, `NO_PORTABLE_TYPE` when applied; when run:
 *   `UNKNOWN_JAVA_TRANSFORM` for a class or method that there is not or that the service may not use,
 *   `JAVA_EXCEPTION`, `EXPANSION_FAILED` where the outputs are not as declared, and as {@link javaService}
 * @example
 * ```ts
 * const numbers = root.apply(
 *   javaTransform('org.apache.beam.sdk.io.GenerateSequence', {
 *     constructorMethod: 'from',
 *     args: [0],
 *     builderMethods: { to: [10] },
 *     output: int64,
 *   }),
 * );
 * ```
 */
export function javaTransform<T>(
  className: string,
  options: JavaTransformOptions & { output: OutputType<T> },
): ExternalTransform<PValue, PCollection<T>>;
// What nobody declared is any, as with pythonTransform: `const r = await pc.applyAsync(…); r.apply(…)`.
export function javaTransform<
  InputT extends PValue = PValue,
  // biome-ignore lint/suspicious/noExplicitAny: as above
  OutputT extends PValue = any,
>(className: string, options?: JavaTransformOptions): ExternalTransform<InputT, OutputT>;
export function javaTransform(
  className: string,
  options: JavaTransformOptions = {},
): ExternalTransform<PValue, PValue> {
  checkOptionNames('javaTransform', options, OPTIONS);
  if (typeof className !== 'string' || !/^[\w$]+(\.[\w$]+)*$/.test(className)) {
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `${JSON.stringify(className)} names no Java class`,
      { hint: "Give its full name: javaTransform('org.apache.beam.sdk.io.GenerateSequence', …)." },
    );
  }
  return new JavaTransform(
    `Java(${className.slice(className.lastIndexOf('.') + 1)})`,
    JAVA_CLASS_LOOKUP,
    classPayload(className, options),
    serviceOf(options, 'beam-sdks-java-io-expansion-service'),
    options,
  );
}

/** The bytes that ask for a transform of a class. */
export function classPayload(
  className: string,
  { constructorMethod = '', args = [], builderMethods = {} }: JavaTransformOptions,
): Uint8Array {
  const made = encode(args, constructorMethod || 'the constructor');
  const calls = isPairs(builderMethods) ? builderMethods : Object.entries(builderMethods);
  const payload = create(pb.JavaClassLookupPayloadSchema, {
    className,
    constructorMethod,
    constructorSchema: made.schema,
    constructorPayload: made.payload,
    builderMethods: calls.map(([name, given]) => ({ name, ...encode(given, name) })),
  });
  return toBinary(pb.JavaClassLookupPayloadSchema, payload);
}

function isPairs(
  given: NonNullable<JavaTransformOptions['builderMethods']>,
): given is readonly (readonly [string, JavaArguments])[] {
  return Array.isArray(given);
}

/** Beam takes names of this form for those of positions. */
function encode(given: JavaArguments, method: string): EncodedArguments {
  if (typeof given !== 'object' || given === null) {
    throw new BeamBridgeError('INVALID_ARGUMENT', `the arguments of ${method} are no list`, {
      hint: 'Give an array, also of one argument: { to: [10] }, or an object of arguments by name.',
    });
  }
  const isList = Array.isArray(given);
  const named = isList
    ? Object.fromEntries(given.map((value: unknown, i) => [`ignore${i}`, value]))
    : (given as Record<string, unknown>);
  const [missing] =
    Object.entries(named).find(([, value]) => value === undefined || value === null) ?? [];
  if (isList && missing !== undefined) {
    const place = Number(missing.slice('ignore'.length)) + 1;
    throw new BeamBridgeError('INVALID_ARGUMENT', `argument ${place} of ${method} is missing`, {
      hint: 'null cannot be given to Java: leave out a builder method that is not needed.',
    });
  }
  return encodeArguments(named);
}
