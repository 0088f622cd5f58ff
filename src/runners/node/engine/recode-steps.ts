// SPDX-License-Identifier: Apache-2.0
// Where two coders meet. A flatten, a reshuffle and a grouping hand elements on as they were read
// under the coder of their input, and what follows reads them under the coder of their output. Where
// these two say different things, an SDK that knows both makes of the one the other: it decodes the
// elements and encodes them again, in a step that does nothing else.

import { BeamBridgeError } from '../../../base/index.ts';
import { coderContents, coderFromProto, UnknownCoder } from '../../../coders/index.ts';
import { create, fromBinary, pb, urns } from '../../../proto/index.ts';

const P = urns.StandardPTransforms_Primitives;
const Coders = urns.StandardCoders_Enum;
const RESHUFFLE = urns.StandardPTransforms_Composites.RESHUFFLE;
const TEST_STREAM = 'beam:transform:teststream:v1';

/** A transform with the steps that belong around it. */
export interface Recoded {
  readonly proto: pb.PTransform;
  readonly steps: readonly (readonly [string, pb.PTransform])[];
}

/** Finds where coders meet in one pipeline. */
export class Recoding {
  private readonly contentOf: (coderId: string) => string;

  /** @param ownEnvironment - the one whose SDK is this program */
  constructor(
    private readonly components: pb.Components,
    private readonly ownEnvironment: string,
  ) {
    this.contentOf = coderContents(components.coders);
  }

  /**
   * A transform of the runner's own with a step in front of each input (behind each output of a test
   * stream) whose coder differs. Adds what it makes to the components; the transform itself is
   * copied, since a pipeline is planned more than once.
   *
   * @param environment - of the SDK that does the steps
   */
  around(id: string, proto: pb.PTransform, environment: string): Recoded {
    const recoded = this.recoded(id, proto, environment);
    for (const [, step] of recoded.steps) {
      if (step.environmentId === this.ownEnvironment) this.checkReadable(proto, step);
    }
    return recoded;
  }

  private recoded(id: string, proto: pb.PTransform, environment: string): Recoded {
    const steps: [string, pb.PTransform][] = [];
    switch (proto.spec?.urn) {
      case P.FLATTEN:
      case RESHUFFLE: {
        const [output] = Object.values(proto.outputs);
        if (output === undefined) break;
        const inputs = this.inputsLike(id, proto, output, undefined, environment, steps);
        return steps.length === 0 ? { proto, steps } : { proto: copy(proto, { inputs }), steps };
      }
      case P.GROUP_BY_KEY: {
        const [output] = Object.values(proto.outputs);
        const [input] = Object.values(proto.inputs);
        if (input === undefined || output === undefined) break;
        const coderId = this.ungrouped(id, proto, this.pcollection(output).coderId);
        const inputs = this.inputsLike(id, proto, input, coderId, environment, steps);
        return steps.length === 0 ? { proto, steps } : { proto: copy(proto, { inputs }), steps };
      }
      case TEST_STREAM: {
        const { coderId } = fromBinary(pb.TestStreamPayloadSchema, proto.spec.payload);
        const outputs = this.outputsOf(id, proto, coderId, environment, steps);
        return steps.length === 0 ? { proto, steps } : { proto: copy(proto, { outputs }), steps };
      }
      default:
    }
    return { proto, steps };
  }

  /** The inputs by tag, each in the coders of `like`, its elements in `coderId` if that is given. */
  private inputsLike(
    id: string,
    proto: pb.PTransform,
    like: string,
    coderId: string | undefined,
    environment: string,
    steps: [string, pb.PTransform][],
  ): Record<string, string> {
    const wanted = this.pcollection(like);
    const elements = coderId ?? wanted.coderId;
    const inputs: Record<string, string> = {};
    for (const [tag, input] of Object.entries(proto.inputs)) {
      const given = this.pcollection(input);
      const isAlike =
        this.contentOf(given.coderId) === this.contentOf(elements) &&
        this.contentOf(this.windowCoder(given)) === this.contentOf(this.windowCoder(wanted));
      inputs[tag] = isAlike
        ? input
        : this.step(id, proto, tag, input, environment, steps, {
            coderId: elements,
            windowingStrategyId: wanted.windowingStrategyId,
            isBounded: given.isBounded,
          });
    }
    return inputs;
  }

  private step(
    id: string,
    { uniqueName }: pb.PTransform,
    tag: string,
    input: string,
    environmentId: string,
    steps: [string, pb.PTransform][],
    message: Pick<pb.PCollection, 'coderId' | 'windowingStrategyId' | 'isBounded'>,
  ): string {
    const made = `${id}:recoded_${tag}`;
    const name = `${uniqueName}.recoded_${tag}`;
    this.components.pcollections[made] = create(pb.PCollectionSchema, {
      ...message,
      uniqueName: name,
    });
    steps.push([
      `${id}/recode_${tag}`,
      identity(`${uniqueName}/recode_${tag}`, input, made, environmentId),
    ]);
    return made;
  }

  /** What a test stream gives in the coder of its events, before it becomes what is declared. */
  private outputsOf(
    id: string,
    { uniqueName, outputs }: pb.PTransform,
    coderId: string,
    environmentId: string,
    steps: [string, pb.PTransform][],
  ): Record<string, string> {
    if (coderId === '') return outputs;
    const given: Record<string, string> = {};
    for (const [tag, output] of Object.entries(outputs)) {
      const declared = this.pcollection(output);
      if (this.contentOf(declared.coderId) === this.contentOf(coderId)) {
        given[tag] = output;
        continue;
      }
      const made = `${id}:given_${tag}`;
      this.components.pcollections[made] = create(pb.PCollectionSchema, {
        ...declared,
        uniqueName: `${uniqueName}.given_${tag}`,
        coderId,
      });
      steps.push([
        `${id}/recode_${tag}`,
        identity(`${uniqueName}/recode_${tag}`, made, output, environmentId),
      ]);
      given[tag] = made;
    }
    return given;
  }

  /** The coder of the key-values that a grouping with results of `coderId` is made of. */
  private ungrouped(id: string, { uniqueName }: pb.PTransform, coderId: string): string {
    const { coders } = this.components;
    const [key, grouped] = this.parts(coderId, Coders.KV) ?? [];
    const [value] =
      grouped === undefined
        ? []
        : (this.parts(grouped, Coders.ITERABLE) ??
          this.parts(grouped, Coders.STATE_BACKED_ITERABLE) ??
          []);
    if (key === undefined || value === undefined) {
      throw new BeamBridgeError(
        'UNSUPPORTED',
        `a grouping gives elements of ${coders[coderId]?.spec?.urn ?? 'an unknown coder'}, not keys with their values`,
        {
          transform: uniqueName,
          hint: 'In Python, annotate what is grouped with .with_output_types(tuple[KeyType, ValueType]).',
        },
      );
    }
    const made = `${id}:ungrouped`;
    coders[made] = create(pb.CoderSchema, {
      spec: { urn: Coders.KV },
      componentCoderIds: [key, value],
    });
    return made;
  }

  /** The components of a coder of this URN, a length in front of it or not. */
  private parts(coderId: string, urn: string): readonly string[] | undefined {
    const coder = this.components.coders[coderId];
    if (coder?.spec?.urn === Coders.LENGTH_PREFIX) {
      return this.parts(coder.componentCoderIds[0] ?? '', urn);
    }
    return coder?.spec?.urn === urn ? coder.componentCoderIds : undefined;
  }

  /** What this program cannot read is bytes to it, and those would be written as they are. */
  private checkReadable({ uniqueName }: pb.PTransform, { inputs, outputs }: pb.PTransform): void {
    const { coders } = this.components;
    const unreadable = (id: string): string | undefined => {
      const coder = coderFromProto(id, coders);
      if (coder instanceof UnknownCoder) return coder.name;
      return coders[id]!.componentCoderIds.map(unreadable).find((name) => name !== undefined);
    };
    for (const id of [...Object.values(inputs), ...Object.values(outputs)]) {
      const name = unreadable(this.pcollection(id).coderId);
      if (name === undefined) continue;
      throw new BeamBridgeError(
        'UNSUPPORTED',
        `elements of different coders meet here, and no SDK is named that could read ${name}`,
        {
          transform: uniqueName,
          hint: 'Give the PCollections in front of it one type, in the language that this transform comes from.',
        },
      );
    }
  }

  private pcollection(id: string): pb.PCollection {
    return this.components.pcollections[id]!;
  }

  private windowCoder({ windowingStrategyId }: pb.PCollection): string {
    return this.components.windowingStrategies[windowingStrategyId]!.windowCoderId;
  }
}

/** A flatten of one PCollection, which every SDK can do in a stage. */
function identity(uniqueName: string, from: string, to: string, environmentId: string) {
  return create(pb.PTransformSchema, {
    uniqueName,
    spec: { urn: P.FLATTEN },
    inputs: { in: from },
    outputs: { out: to },
    environmentId,
  });
}

function copy(
  proto: pb.PTransform,
  changed: Partial<Pick<pb.PTransform, 'inputs' | 'outputs'>>,
): pb.PTransform {
  return create(pb.PTransformSchema, { ...proto, ...changed });
}
