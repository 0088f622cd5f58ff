// SPDX-License-Identifier: Apache-2.0
// Puts the answer of an expansion service in its placeholder's place. Messages are moved and never
// rebuilt, so that fields which this version does not know stay in them.

import { BeamBridgeError } from '../base/index.ts';
import { coderContents, coderFromProto } from '../coders/index.ts';
import type { ExternalExpansion, PCollectionNode, TransformNode } from '../pipeline/index.ts';
import { pb, toBinary } from '../proto/index.ts';
import {
  type ChangedWindowing,
  checkChangedWindowing,
  windowingChanges,
} from './changed-windowing.ts';
import { describeCoder, sameOnTheWire } from './coder-match.ts';
import { spreadUnbounded } from './unbounded.ts';
import { sameWindowFn } from './windowing-from-proto.ts';

type Table<T> = Record<string, T>;

/** Merges expansions into one pipeline message, which it changes. */
export class ExpansionMerger {
  private readonly components: pb.Components;
  private readonly names: Set<string>;
  private readonly environmentIds = new Map<string, string>();
  /** PCollections of ours that turned out to be another one, by id. */
  private readonly aliases = new Map<string, string>();
  private readonly changed: ChangedWindowing[] = [];

  constructor(private readonly pipeline: pb.Pipeline) {
    if (!pipeline.components)
      throw new BeamBridgeError('INTERNAL', 'a pipeline without components');
    this.components = pipeline.components;
    this.names = new Set(Object.values(this.components.transforms).map((t) => t.uniqueName));
    for (const [id, environment] of Object.entries(this.components.environments)) {
      this.environmentIds.set(bytesOf(pb.EnvironmentSchema, environment), id);
    }
  }

  /** Replaces the placeholder of `node`. */
  add(node: TransformNode, expansion: ExternalExpansion): void {
    const { components, transform, requirements } = expansion;
    const pcollections = this.rewiring(node, expansion);
    const environments = this.addEnvironments(components.environments);
    const rename = (table: Table<string>, ids: ReadonlyMap<string, string>): Table<string> =>
      Object.fromEntries(Object.entries(table).map(([tag, id]) => [tag, ids.get(id) ?? id]));
    const adopt = (message: pb.PTransform): void => {
      message.inputs = rename(message.inputs, pcollections);
      message.outputs = rename(message.outputs, pcollections);
      message.environmentId = environments.get(message.environmentId) ?? message.environmentId;
    };

    for (const [id, message] of reachable(transform, components.transforms)) {
      adopt(message);
      message.uniqueName = this.claimName(node, message.uniqueName);
      put(this.components.transforms, id, message, node);
    }
    for (const [id, message] of Object.entries(components.windowingStrategies)) {
      message.environmentId = environments.get(message.environmentId) ?? message.environmentId;
      put(this.components.windowingStrategies, id, message, node);
    }
    for (const [id, message] of Object.entries(components.coders)) {
      put(this.components.coders, id, message, node);
    }
    for (const [id, message] of Object.entries(components.pcollections)) {
      if (!pcollections.has(id)) put(this.components.pcollections, id, message, node);
    }
    adopt(transform);
    transform.uniqueName = node.name;
    this.components.transforms[node.id] = transform;
    this.pipeline.requirements = [...new Set([...this.pipeline.requirements, ...requirements])];
  }

  /** What can be said once all expansions are here. */
  finish(): void {
    this.resolveAliases();
    for (const each of this.changed) checkChangedWindowing(each, this.components);
    spreadUnbounded(this.components);
    shareCoders(this.components);
  }

  /** Consumers of a PCollection that an expansion passed through get the original. */
  private resolveAliases(): void {
    if (this.aliases.size === 0) return;
    const resolve = (id: string): string => {
      const next = this.aliases.get(id);
      return next === undefined ? id : resolve(next);
    };
    for (const message of Object.values(this.components.transforms)) {
      for (const table of [message.inputs, message.outputs]) {
        for (const [tag, id] of Object.entries(table)) table[tag] = resolve(id);
      }
    }
    for (const id of this.aliases.keys()) delete this.components.pcollections[id];
  }

  /** Which PCollection of ours each one at the border of the expansion is. */
  private rewiring(node: TransformNode, expansion: ExternalExpansion): Map<string, string> {
    const ids = new Map<string, string>();
    for (const input of node.inputs.values()) ids.set(input.id, input.id);
    for (const [theirs, ours] of pairInputs(node, expansion.transform)) ids.set(theirs, ours);
    for (const [theirs, output] of pairOutputs(node, expansion.transform)) {
      const known = ids.get(theirs);
      checkOutput(node, output, expansion.components.pcollections[theirs], expansion);
      if (known === undefined) {
        ids.set(theirs, output.id);
        const message = expansion.components.pcollections[theirs];
        const own = this.components.pcollections[output.id];
        if (message && own) own.isBounded = message.isBounded;
        const changes = changesOf(node, output, message, expansion);
        if (changes.length > 0) this.changed.push({ node, output: output.id, changes });
      } else {
        this.aliases.set(output.id, known);
      }
    }
    return ids;
  }

  private addEnvironments(environments: Table<pb.Environment>): Map<string, string> {
    const ids = new Map<string, string>();
    for (const [id, environment] of Object.entries(environments)) {
      const key = bytesOf(pb.EnvironmentSchema, environment);
      const known = this.environmentIds.get(key);
      if (known === undefined) {
        this.environmentIds.set(key, id);
        this.components.environments[id] = environment;
      } else ids.set(id, known);
    }
    return ids;
  }

  private claimName(node: TransformNode, given: string): string {
    const base = given.startsWith(`${node.name}/`) ? given : `${node.name}/${given}`;
    let name = base;
    for (let n = 2; this.names.has(name); n++) name = `${base}_${n}`;
    this.names.add(name);
    return name;
  }
}

/**
 * Lets coders of equal content be one: Beam's runners take two ids for two coders, and refuse a
 * grouping whose keys seem to change theirs. Payloads that name a coder keep the name they have.
 */
function shareCoders({ coders, pcollections, windowingStrategies }: pb.Components): void {
  const contentOf = coderContents(coders, { schemaIds: true });
  const first = new Map<string, string>();
  for (const id of Object.keys(coders)) {
    const content = contentOf(id);
    if (!first.has(content)) first.set(content, id);
  }
  const shared = (id: string) => (id in coders ? first.get(contentOf(id))! : id);
  for (const coder of Object.values(coders)) {
    coder.componentCoderIds = coder.componentCoderIds.map(shared);
  }
  for (const message of Object.values(pcollections)) message.coderId = shared(message.coderId);
  for (const message of Object.values(windowingStrategies)) {
    message.windowCoderId = shared(message.windowCoderId);
  }
}

function bytesOf(schema: typeof pb.EnvironmentSchema, message: pb.Environment): string {
  return Buffer.from(toBinary(schema, message)).toString('base64');
}

/** All transforms below an expanded one. What else is in the answer only serves the question. */
function* reachable(
  transform: pb.PTransform,
  transforms: Table<pb.PTransform>,
): Generator<[string, pb.PTransform]> {
  for (const id of transform.subtransforms) {
    const message = transforms[id];
    if (!message) continue;
    yield [id, message];
    yield* reachable(message, transforms);
  }
}

function put<T>(table: Table<T>, id: string, message: T, node: TransformNode): void {
  const known = table[id];
  if (known !== undefined && known !== message) {
    throw new BeamBridgeError(
      'EXPANSION_FAILED',
      `the expansion service uses the id ${id}, which the pipeline has already`,
      {
        ...node.errorDetails,
        hint: 'The service ignores the namespace that it is given: use one of Beam 2.30 or later.',
      },
    );
  }
  table[id] = message;
}

/** Inputs by what the service calls them. Some SDKs rename a tag. */
function pairInputs(node: TransformNode, transform: pb.PTransform): [string, string][] {
  const theirs = Object.entries(transform.inputs);
  const unclaimed = [...node.inputs].filter(([tag]) => !Object.hasOwn(transform.inputs, tag));
  return theirs.flatMap(([tag, id]): [string, string][] => {
    const input = node.inputs.get(tag) ?? unclaimed.shift()?.[1];
    return input ? [[id, input.id]] : [];
  });
}

/** Declared outputs by what the service calls them. A lone output may have any tag. */
function pairOutputs(node: TransformNode, transform: pb.PTransform): [string, PCollectionNode][] {
  const theirs = Object.entries(transform.outputs);
  const ours = [...node.outputs];
  if (ours.length === 1 && theirs.length === 1) return [[theirs[0]![1], ours[0]![1]]];
  return ours.map(([tag, output]) => {
    const id = Object.hasOwn(transform.outputs, tag) ? transform.outputs[tag] : undefined;
    if (id !== undefined) return [id, output];
    const names = theirs.map(([name]) => JSON.stringify(name)).join(', ') || 'none';
    throw new BeamBridgeError(
      'EXPANSION_FAILED',
      `the transform has no output ${JSON.stringify(tag)}: its outputs are ${names}`,
      {
        ...node.errorDetails,
        hint: 'Declare its outputs by these tags, as in { outputs: { tag: type } }.',
      },
    );
  });
}

/** What of an output's windowing is not that of the input, which the program goes by. */
function changesOf(
  node: TransformNode,
  { windowing }: PCollectionNode,
  message: pb.PCollection | undefined,
  { components: { pcollections, windowingStrategies } }: ExternalExpansion,
): string[] {
  // What was asked for while the pipeline was constructed is known to it.
  if (node.external?.expansion) return [];
  const theirs = windowingStrategies[message?.windowingStrategyId ?? ''];
  const [input] = node.inputs.values();
  const before = windowingStrategies[pcollections[input?.id ?? '']?.windowingStrategyId ?? ''];
  return theirs ? windowingChanges(theirs, before, windowing) : [];
}

function checkOutput(
  node: TransformNode,
  output: PCollectionNode,
  message: pb.PCollection | undefined,
  { components }: ExternalExpansion,
): void {
  if (!message) {
    throw new BeamBridgeError(
      'EXPANSION_FAILED',
      'an output of the expansion is not described',
      node.errorDetails,
    );
  }
  const coder = coderFromProto(message.coderId, components.coders);
  if (!sameOnTheWire(coder, output.coder)) {
    throw new BeamBridgeError(
      'EXPANSION_FAILED',
      `the transform gives elements of coder ${describeCoder(coder)} where ${output.coder.name} is declared`,
      {
        ...node.errorDetails,
        hint:
          node.external?.service.kind === 'java'
            ? 'Declare what it gives.'
            : 'Declare what it gives, or annotate the Python transform with .with_output_types(…).',
      },
    );
  }
  const windowing = components.windowingStrategies[message.windowingStrategyId];
  if (windowing && !sameWindowFn(windowing, output.windowing)) {
    throw new BeamBridgeError(
      'UNSUPPORTED',
      'the transform puts elements into other windows, which cannot be declared',
      {
        ...node.errorDetails,
        hint: 'Await applyAsync(…) without declared outputs: it takes the windows from the answer.',
      },
    );
  }
}
