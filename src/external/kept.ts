// SPDX-License-Identifier: Apache-2.0
// What runs of the same have in common, so that a managed host may keep it from one to the next: the answers
// of its expansions, and workers with the models that they have loaded.

import { createHash } from 'node:crypto';
import { BeamBridgeError } from '../base/index.ts';
import type { Pipeline, TransformNode } from '../pipeline/index.ts';

/** Seconds for which it is kept unless the program says otherwise. */
const SECONDS = 300;
const VARIABLE = 'BEAMBRIDGE_KEEP_SECONDS';

/** As what a run's requests may be known again. */
export interface Kept {
  /** The same for whatever asks the same of Python. */
  readonly key: string;
  /** What is asked in the place of what was made for this pipeline alone. */
  readonly payloads: ReadonlyMap<TransformNode, Uint8Array>;
  /** What the host is told of it. */
  readonly metadata: Record<string, string>;
}

/**
 * As what a pipeline's requests may be known again; nothing where one of its cross-language transforms is another
 * each time, or where `BEAMBRIDGE_KEEP_SECONDS` is 0.
 *
 * @param python - the interpreter that the user named, if any: among its packages may be the user's own, whose state nobody
 *   can look into
 * @throws BeamBridgeError `INVALID_ARGUMENT`
 */
export function keptAs(
  pipeline: Pipeline,
  python = process.env.BEAMBRIDGE_PYTHON,
): Kept | undefined {
  if (python) return undefined;
  const seconds = secondsOf(process.env[VARIABLE]);
  const nodes = pipeline.transforms.filter(({ external }) => external);
  const isKept = nodes.every(({ external }) => {
    const { mark, service, expansion } = external!;
    return mark !== undefined && service.kind === 'python' && !expansion;
  });
  if (seconds === 0 || nodes.length === 0 || !isKept) return undefined;
  const hash = createHash('sha256');
  for (const { name, external } of nodes) {
    const { urn, payload, mark, service } = external!;
    hash.update(JSON.stringify([name, urn, service, payload.length]));
    hash.update(marked(payload, mark!, '0'.repeat(mark!.length)));
  }
  const key = hash.digest('hex');
  const payloads = nodes.map((node) => {
    const { payload, mark } = node.external!;
    return [node, marked(payload, mark!, key.slice(0, mark!.length))] as const;
  });
  return {
    key,
    payloads: new Map(payloads),
    metadata: { 'beambridge-keep': key, 'beambridge-keep-seconds': String(seconds) },
  };
}

/** A payload with another mark of the same length, which is preceded by that. */
function marked(payload: Uint8Array, from: string, to: string): Uint8Array {
  const out = Buffer.from(payload);
  for (let at = out.indexOf(from); at >= 0; at = out.indexOf(from, at + from.length)) {
    out.write(to, at, 'latin1');
  }
  return out;
}

function secondsOf(given: string | undefined): number {
  if (given === undefined || given.trim() === '') return SECONDS;
  const seconds = Number(given);
  if (seconds >= 0 && Number.isFinite(seconds)) return seconds;
  throw new BeamBridgeError('INVALID_ARGUMENT', `${VARIABLE} is ${JSON.stringify(given)}`, {
    hint: 'Give the seconds for which workers, their models and expansions are kept for the next run, or 0 to keep none.',
  });
}
