// SPDX-License-Identifier: Apache-2.0
// Why a job failed, from all that is known when it has: what functions of this program threw, and
// what the runner said.

import { BeamBridgeError, conceal, type ErrorDetails } from '../base/index.ts';
import {
  isJavaFailure,
  isMarked,
  javaError,
  parsePythonFailure,
  pythonError,
  saidByJavaHarness,
} from '../external/index.ts';
import { type Failures, failureOf } from '../harness/index.ts';
import type { Pipeline } from '../pipeline/index.ts';
import type { pb } from '../proto/index.ts';
import { isRefusal, missingPrimitive, REFUSAL_HINT } from './refusals.ts';

/** The environment of Python stages that only a runner in Python can run, inside itself. */
const EMBEDDED = 'beam:env:embedded_python';

/** What there is to go by. */
export interface JobFailure {
  /** Errors of this program's own functions. */
  failures: Pick<Failures, 'find' | 'list'>;
  /** Texts of the runner's error messages, the latest last. */
  messages: readonly string[];
  pipeline: Pipeline;
  proto: pb.Pipeline;
  /** Unique names of the transforms that were at work, where a worker itself said that it failed. */
  working?: readonly string[] | undefined;
}

/** The error that a run rejects with when its job failed. */
export function jobFailure({
  failures,
  messages,
  pipeline,
  proto,
  working,
}: JobFailure): BeamBridgeError {
  for (const text of [...messages].reverse()) {
    const own = failures.find(text);
    if (own) return own;
  }
  for (const text of [...messages].reverse()) {
    const elsewhere = failureOf(text);
    if (elsewhere) return elsewhere;
  }
  const text = tellingMessage(messages);
  const own = text === undefined ? failures.list().at(-1) : undefined;
  if (own) return own;
  if (text === undefined) {
    return new BeamBridgeError('JOB_FAILED', 'the job failed and its runner gave no reason', {
      hint: 'The log of the job service may tell more.',
    });
  }
  if (text.includes(EMBEDDED) && !text.includes('Traceback')) {
    return new BeamBridgeError(
      'UNSUPPORTED',
      `this job service cannot run what the expansion service gave it: ${conceal(text.trim())}`,
      {
        hint: 'Leave expansionService out: other runners can execute what the managed Python expands. A Beam expansion service of your own must be started with --serve_loopback_worker.',
      },
    );
  }
  const java = working && isJavaFailure(text) ? text : saidByJavaHarness(text);
  if (java !== undefined && !java.includes('Traceback')) {
    return javaError(java).with(javaTransformOf(working, pipeline, proto)?.errorDetails ?? {});
  }
  const words = withoutJavaFrames(text);
  if (isRefusal(text) && !text.includes('Traceback')) {
    const shown = conceal(words);
    const [first = '', ...rest] = shown.trim().split('\n');
    return new BeamBridgeError('UNSUPPORTED', `the job's runner cannot run it: ${first}`, {
      hint: REFUSAL_HINT,
      detail: rest.length > 0 ? shown : undefined,
    });
  }
  const missing = missingPrimitive(text);
  if (missing) {
    return new BeamBridgeError('UNSUPPORTED', `the job's runner has no ${missing}`, {
      hint: REFUSAL_HINT,
      detail: conceal(text.trim()),
    });
  }
  const failure = parsePythonFailure(words, 'JOB_FAILED');
  const transform = ownTransform(failure.transform, pipeline, proto);
  return pythonError(
    { ...failure, transform: transform?.name ?? failure.transform },
    transform?.appliedAt,
  );
}

/** The error with the line of the program's transform, for what names one and does not know where it was applied. */
export function located(
  error: BeamBridgeError,
  pipeline: Pipeline,
  proto: pb.Pipeline | undefined,
): BeamBridgeError {
  if (error.transform === undefined || error.appliedAt !== undefined) return error;
  const { appliedAt } = ownTransform(error.transform, pipeline, proto) ?? {};
  return appliedAt === undefined ? error : error.with({ appliedAt });
}

/** Where transforms at work stand in the program that an expansion has brought along. */
export function placeOf(
  working: readonly string[],
  pipeline: Pipeline,
  proto: pb.Pipeline | undefined,
): ErrorDetails {
  const found = working.map((name) => ownTransform(name, pipeline, proto));
  const own = [...new Set(found.filter((node) => node !== undefined))].filter(
    ({ external }) => external,
  );
  const [first] = own;
  if (!first || own.length === 1) return first?.errorDetails ?? {};
  const places = own.map(({ name, appliedAt }) => `${name} (applied at ${appliedAt})`);
  return { detail: `in one of these transforms:\n${places.join('\n')}` };
}

// Runners log other things as errors too, before and after the one that ended the job.
function tellingMessage(messages: readonly string[]): string | undefined {
  return (
    messages.findLast(isMarked) ??
    messages.findLast((text) => text.includes('Traceback (most recent call last)')) ??
    messages.at(-1)
  );
}

/** A Java runner wraps the text of a harness in a stack trace of its own, whose root cause counts. */
function withoutJavaFrames(text: string): string {
  const lines = text
    .split('\n')
    .filter((line) => !/^\s+(at [\w.$/]+[(:]|\.\.\. \d+ more)/.test(line));
  const cause = lines.findLastIndex((line) => line.startsWith('Caused by: '));
  return lines
    .slice(Math.max(cause, 0))
    .join('\n')
    .replace(/^Caused by: /, '');
}

/** The cross-language transform that was at work, or that is the only one of Java's; undefined for several. */
function javaTransformOf(
  working: readonly string[] | undefined,
  pipeline: Pipeline,
  proto: pb.Pipeline,
) {
  const found = working
    ? working.map((name) => ownTransform(name, pipeline, proto))
    : pipeline.transforms;
  const others = new Set(
    found.filter((node) => node?.external && node.external.service.kind !== 'python'),
  );
  return others.size === 1 ? [...others][0] : undefined;
}

/** The transform of the user's program that holds the one which an expansion brought along. */
function ownTransform(
  uniqueName: string | undefined,
  pipeline: Pipeline,
  proto: pb.Pipeline | undefined,
) {
  if (!uniqueName) return undefined;
  const transforms = proto?.components?.transforms ?? {};
  const own = new Map(pipeline.transforms.map((node) => [node.id, node]));
  const parents = new Map<string, string>();
  for (const [id, { subtransforms }] of Object.entries(transforms)) {
    for (const child of subtransforms) parents.set(child, id);
  }
  let id = Object.keys(transforms).find((key) => transforms[key]?.uniqueName === uniqueName);
  while (id !== undefined && !own.has(id)) id = parents.get(id);
  if (id !== undefined) return own.get(id);
  // A runner may name a part of a transform that it made itself: take the longest name that fits.
  return pipeline.transforms
    .filter(({ name }) => uniqueName === name || uniqueName.startsWith(`${name}/`))
    .sort((a, b) => b.name.length - a.name.length)[0];
}
