// SPDX-License-Identifier: Apache-2.0
// A digest of the graph that a program constructed, by which a worker that constructs it again finds
// out that something came out different, and at which transform. It knows nothing of expansions, of
// payloads of other SDKs' transforms (which may name files of a machine), or of what a runner made of it.

import { createHash, type Hash } from 'node:crypto';
import type { PCollectionNode, Pipeline, TransformNode } from './graph.ts';
import { ProtoBuilder } from './to-proto.ts';

/** Bytes of each hash: these find accidents, nobody is to be kept from forging them. */
const HASH_BYTES = 9;

/** What is compared of one transform. The order of its parts is that of their being looked at. */
export interface TransformDigest {
  /** Unique in the pipeline. */
  readonly name: string;
  /** Of its URN and payload, of what it reads, and of which outputs it has. */
  readonly shape: string;
  /** Of the coders of what it produces. */
  readonly coders: string;
  /** Of the windowing of what it produces, and of whether that has an end. */
  readonly windowing: string;
  /** Of the elements that it holds, where it does. */
  readonly contents: string;
}

/** All transforms, in the order in which they were applied. */
export type GraphDigest = readonly TransformDigest[];

/** Where two constructions of one pipeline part. */
export interface Difference {
  /** The first transform that differs, as the second construction names it, or the first where it has none. */
  readonly transform: string;
  /** What is different, as the end of a sentence about that transform. */
  readonly what: string;
}

/** The digest of a graph: equal for equal constructions, on whatever machine. */
export function graphDigest(pipeline: Pipeline): GraphDigest {
  const builder = new ContentBuilder(pipeline.functions);
  return pipeline.transforms.map((node) => transformDigest(node, builder));
}

/** The first transform in which a construction differs from the one that was submitted, if any does. */
export function firstDifference(
  submitted: GraphDigest,
  constructed: GraphDigest,
): Difference | undefined {
  const length = Math.max(submitted.length, constructed.length);
  for (let i = 0; i < length; i++) {
    const [before, now] = [submitted[i], constructed[i]];
    if (!now) return { transform: before!.name, what: 'was not applied' };
    if (!before) return { transform: now.name, what: 'was not part of what was submitted' };
    const what = differenceOf(before, now);
    if (what) return { transform: now.name, what };
  }
  return undefined;
}

function differenceOf(before: TransformDigest, now: TransformDigest): string | undefined {
  if (before.name !== now.name) return `was applied where ${before.name} was submitted`;
  if (before.shape !== now.shape) return 'is of another kind, or has other inputs or outputs';
  if (before.coders !== now.coders) return 'has outputs with other coders';
  if (before.windowing !== now.windowing) return 'has outputs with another windowing';
  if (before.contents !== now.contents) return 'holds other elements';
  return undefined;
}

function transformDigest(node: TransformNode, builder: ContentBuilder): TransformDigest {
  // A composite's outputs are those of a part of it, which tells about them.
  const made = [...node.outputs].filter(([, { producer }]) => producer === node);
  return {
    name: node.name,
    shape: hash([
      node.spec?.urn ?? '',
      payloadOf(node, builder),
      node.needsEnvironment,
      [...node.requirements].sort(),
      names(node.inputs),
      names(node.outputs),
    ]),
    coders: hash(made.map(([tag, { coder }]) => [tag, builder.coderId(coder)])),
    windowing: hash(
      made.map(([tag, { windowing, bounded }]) => [
        tag,
        builder.windowingStrategyId(windowing),
        bounded,
      ]),
    ),
    contents: contentsOf(node),
  };
}

function contentsOf({ contents }: TransformNode): string {
  if (!contents) return '';
  const all = createHash('sha256');
  for (const bytes of contents()) all.update(bytes);
  return short(all);
}

function payloadOf({ spec, external }: TransformNode, builder: ContentBuilder): string {
  if (!spec?.payload || external) return '';
  const bytes = typeof spec.payload === 'function' ? spec.payload(builder) : spec.payload;
  return Buffer.from(bytes).toString('base64');
}

// Names and not ids: those count what was applied before, elsewhere in the graph, too.
function names(nodes: ReadonlyMap<string, PCollectionNode>): string[][] {
  return [...nodes].map(([tag, { name }]) => [tag, name]);
}

function hash(value: unknown): string {
  return shortHash(JSON.stringify(value));
}

function shortHash(data: string | Uint8Array): string {
  return short(createHash('sha256').update(data));
}

function short(hash: Hash): string {
  return hash.digest().subarray(0, HASH_BYTES).toString('base64url');
}

/** Names coders and windowing strategies by what they are, so that a payload names no number of them. */
class ContentBuilder extends ProtoBuilder {
  protected override nameOf(prefix: string, bytes: Uint8Array): string {
    return `${prefix}${shortHash(bytes)}`;
  }
}
