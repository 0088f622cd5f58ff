// SPDX-License-Identifier: Apache-2.0
// A transform that another SDK implements. Applied, it is a placeholder with typed outputs; the
// expansion service is asked later, for all of a pipeline's placeholders at once.

import { BeamBridgeError, checkOptionNames, type OptionNames } from '../base/index.ts';
import type { Coder } from '../coders/index.ts';
import {
  type ExpansionServiceChoice,
  type ExternalRequest,
  MAIN_OUTPUT,
  newOutput,
  type PCollection,
  type Pipeline,
  PTransformClass,
  type PValue,
  type TransformNode,
} from '../pipeline/index.ts';
import { coderOf, isPortable, isSchemaType, type SchemaType } from '../schema/index.ts';
import { expandNow } from './expand-now.ts';
import { encodePayload } from './payload.ts';
import { checkInputs } from './portable-input.ts';
import { checkPythonNames } from './python-names.ts';
import { checkedAddress, type ServiceProvider, startedService } from './started-service.ts';
import { globalWindowing } from './windowing-from-proto.ts';

/** The type of an output's elements: a schema type, or a coder that every SDK knows. */
export type OutputType<T = unknown> = SchemaType<T> | Coder<T>;

/** What is said about the outputs of a cross-language transform. */
export interface ExternalOptions {
  /** Type of the only output's elements. With it (or `outputs`) the transform can be applied without awaiting. */
  output?: OutputType | undefined;
  /**
   * Types of several outputs by tag; `{}` for a transform that has none. Outputs that Python leaves untyped
   * get the declared type: each value is checked, and dicts become the declared rows (`ROW_MISMATCH` for
   * what does not fit).
   */
  outputs?: Readonly<Record<string, OutputType>> | undefined;
  /** Coders that the service is asked to use. Beam's services take one at most. */
  requestedOutputCoders?: Readonly<Record<string, Coder<unknown>>> | undefined;
  /**
   * With `applyAsync` and no declared outputs: a lone output is given as a PCollection and not as
   * an object of one.
   * @default true
   */
  inferPValueType?: boolean | undefined;
}

/** Names of {@link ExternalOptions}. */
export const EXTERNAL_OPTIONS: OptionNames<ExternalOptions> = {
  output: true,
  outputs: true,
  requestedOutputCoders: true,
  inferPValueType: true,
};

/** The managed Python without anything beyond Beam. */
export const PLAIN_PYTHON: ExpansionServiceChoice = {
  kind: 'python',
  extras: [],
  packages: [],
  isExact: true,
};

/** A cross-language transform; made by {@link rawExternalTransform} and `pythonTransform`. */
export class ExternalTransform<
  InputT extends PValue,
  OutputT extends PValue,
> extends PTransformClass<InputT, OutputT> {
  constructor(
    name: string,
    readonly urn: string,
    readonly payload: Uint8Array,
    readonly service: ExpansionServiceChoice | ServiceProvider,
    readonly options: ExternalOptions = {},
  ) {
    super(name);
    if (options.output && options.outputs) {
      throw new BeamBridgeError('INVALID_ARGUMENT', 'output and outputs are both given', {
        hint: 'Declare one output with output, several with outputs.',
      });
    }
  }

  override expandInternal(_input: InputT, pipeline: Pipeline, node: TransformNode): OutputT {
    const declared = this.declaredOutputs(node);
    if (!declared) {
      throw new BeamBridgeError('INVALID_ARGUMENT', 'the type of the output is not declared', {
        ...node.errorDetails,
        hint: 'Declare it, as in { output: string } or { outputs: { good: int64, bad: string } }, or await applyAsync(…), which asks the expansion service at once.',
      });
    }
    this.prepare(pipeline, node, declared);
    const inputs = [...node.inputs.values()];
    const like = {
      windowing: inputs[0]?.windowing ?? globalWindowing(),
      bounded: inputs.every((input) => input.bounded),
    };
    const outputs = Object.fromEntries(
      [...declared].map(([tag, coder]) => [tag, newOutput(pipeline, node, tag, coder, like)]),
    );
    return (this.options.output ? outputs[MAIN_OUTPUT] : outputs) as OutputT;
  }

  override async expandInternalAsync(
    input: InputT,
    pipeline: Pipeline,
    node: TransformNode,
  ): Promise<OutputT> {
    if (this.options.output || this.options.outputs) {
      return this.expandInternal(input, pipeline, node);
    }
    this.prepare(pipeline, node, new Map());
    const outputs = await expandNow(pipeline, node);
    const [only, ...others] = Object.values(outputs);
    if (this.options.inferPValueType === false) return outputs as OutputT;
    return (only && others.length > 0 ? outputs : only) as OutputT;
  }

  private prepare(
    pipeline: Pipeline,
    node: TransformNode,
    declared: ReadonlyMap<string, Coder<unknown>>,
  ): void {
    checkInputs(node);
    if ('kind' in this.service && this.service.kind === 'python') {
      for (const [tag, { coder }] of node.inputs) checkPythonNames(coder, `input ${tag}`, node);
      for (const [tag, coder] of declared) checkPythonNames(coder, `output ${tag}`, node);
    }
    node.spec = { urn: this.urn, payload: this.payload };
    const requested = Object.entries(this.options.requestedOutputCoders ?? {});
    const coders = requested.length > 0 ? new Map(requested) : this.coderRequests(declared);
    node.external = {
      urn: this.urn,
      payload: this.payload,
      service:
        typeof this.service === 'function' ? startedService(this.service, pipeline) : this.service,
      requestOutputCoders: coders,
      ...this.requestOf(node),
    };
  }

  /** What else is asked of the service. */
  protected requestOf(_node: TransformNode): Pick<ExternalRequest, 'prepare' | 'mark'> {
    return {};
  }

  /** The coders that the service is asked to use where the program requests none. */
  protected coderRequests(
    declared: ReadonlyMap<string, Coder<unknown>>,
  ): ReadonlyMap<string, Coder<unknown>> {
    // Beam's services refuse requests for several outputs, so those are only checked afterwards. Our host
    // gives outputs that Python left untyped the type that is declared.
    const isManaged = 'kind' in this.service && this.service.kind === 'python';
    return isManaged || declared.size === 1 ? declared : new Map();
  }

  private declaredOutputs(node: TransformNode): Map<string, Coder<unknown>> | undefined {
    const { output, outputs } = this.options;
    const types = output ? { [MAIN_OUTPUT]: output } : outputs;
    if (!types) return undefined;
    return new Map(
      Object.entries(types).map(([tag, type]) => [tag, coderOfOutput(type, tag, node)]),
    );
  }
}

function coderOfOutput(type: OutputType, tag: string, node: TransformNode): Coder<unknown> {
  const coder = isSchemaType(type) ? coderOf(type) : type;
  if (isPortable(coder)) return coder;
  throw new BeamBridgeError(
    'NO_PORTABLE_TYPE',
    `output ${JSON.stringify(tag)} is declared with coder ${coder.name}, which only TypeScript knows`,
    {
      ...node.errorDetails,
      hint: 'Declare a row type, a plain type, or one of Beam’s standard coders.',
    },
  );
}

/** Options of {@link rawExternalTransform} and `pythonTransform` with their outputs' types. */
type WithOutput<T> = ExternalOptions & { output: OutputType<T> };

/**
 * A transform by its URN, expanded by any of Beam's expansion services.
 *
 * With `options.output` or `options.outputs` it is applied like any other transform, and expanded
 * when the pipeline is run; otherwise `applyAsync` asks the service at once for what comes out.
 *
 * @param payload - what the URN wants: bytes as they are, or an object that is sent as an
 *   `ExternalConfigurationPayload`
 * @param serviceOrAddress - `HOST:PORT`, or a function that gives an object with `start()`, which resolves
 *   with that, and `stop()`: a service of this pipeline alone. @default the managed Python host
 * @throws BeamBridgeError when applied: `NO_PORTABLE_TYPE` for an input or output that other
 *   languages cannot read; when run: `EXPANSION_SERVICE_UNAVAILABLE`, `EXPANSION_FAILED`, and for
 *   Python `UNKNOWN_PYTHON_CALLABLE`, `PYTHON_EXCEPTION`
 * @example
 * ```ts
 * root.apply(
 *   rawExternalTransform('beam:external:java:generate_sequence:v1', { start: 0, stop: 10 },
 *     'localhost:8097', { output: int64 }),
 * );
 * ```
 */
export function rawExternalTransform<T>(
  urn: string,
  payload: Uint8Array | Record<string, unknown> | undefined,
  serviceOrAddress: string | ExpansionServiceChoice | ServiceProvider | undefined,
  options: WithOutput<T>,
): ExternalTransform<PValue, PCollection<T>>;
// What nobody declared is any, as in the official SDK: `const r = await pc.applyAsync(…); r.apply(…)`.
export function rawExternalTransform<
  InputT extends PValue = PValue,
  // biome-ignore lint/suspicious/noExplicitAny: as above
  OutputT extends PValue = any,
>(
  urn: string,
  payload?: Uint8Array | Record<string, unknown> | undefined,
  serviceOrAddress?: string | ExpansionServiceChoice | ServiceProvider | undefined,
  options?: ExternalOptions,
): ExternalTransform<InputT, OutputT>;
export function rawExternalTransform(
  urn: string,
  payload?: Uint8Array | Record<string, unknown>,
  serviceOrAddress: string | ExpansionServiceChoice | ServiceProvider = PLAIN_PYTHON,
  options: ExternalOptions = {},
): ExternalTransform<PValue, PValue> {
  checkOptionNames('rawExternalTransform', options, EXTERNAL_OPTIONS);
  const bytes =
    payload instanceof Uint8Array ? payload : payload ? encodePayload(payload) : new Uint8Array();
  return new ExternalTransform(
    `External(${urn})`,
    urn,
    bytes,
    typeof serviceOrAddress === 'function' ? serviceOrAddress : serviceChoice(serviceOrAddress),
    options,
  );
}

/** An address or a choice as a choice. */
export function serviceChoice(given: string | ExpansionServiceChoice): ExpansionServiceChoice {
  return typeof given === 'string' ? { kind: 'address', address: checkedAddress(given) } : given;
}
