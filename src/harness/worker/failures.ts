// SPDX-License-Identifier: Apache-2.0
// Errors of bundles go to the runner as text. The real objects stay here, under an id that the text
// carries, so that whoever sees the text come back can find them.

import { randomUUID } from 'node:crypto';
import { BeamBridgeError, isErrorCode } from '../../base/index.ts';

const REMEMBERED = 100;
const MARK = /\[beambridge failure ([0-9a-f-]{36})\]/;

/** The latest errors by id. */
export class Failures {
  private readonly errors = new Map<string, BeamBridgeError>();

  /** Keeps an error, and gives the text that the runner gets for it. */
  add(thrown: unknown): { error: BeamBridgeError; text: string } {
    const error = BeamBridgeError.from(thrown);
    const id = randomUUID();
    this.errors.set(id, error);
    for (const oldest of this.errors.keys()) {
      if (this.errors.size <= REMEMBERED) break;
      this.errors.delete(oldest);
    }
    return { error, text: `BeamBridgeError: ${error.message}\n[beambridge failure ${id}]` };
  }

  /** The error whose text is part of `text`, such as a runner's message about a failed job. */
  find(text: string): BeamBridgeError | undefined {
    const id = MARK.exec(text)?.[1];
    return id === undefined ? undefined : this.errors.get(id);
  }

  /** All that are remembered, oldest first. */
  list(): BeamBridgeError[] {
    return [...this.errors.values()];
  }
}

/** The text of {@link Failures.add}: its message, as src/base/errors.ts writes it, and the id behind it. */
const TEXT = /BeamBridgeError: (.*?) \[([A-Z0-9_]+)\]((?:\n {2}.*)*)\n\[beambridge failure /s;
const TRANSFORM = /^ {2}in transform: (.*?)(?: \(applied at (.*)\))?$/m;
const HINT = /^ {2}hint: (.*)$/m;
const DETAIL = /^ {2}\| .*$/gm;

/**
 * The error of a worker elsewhere, as far as its text has it; undefined for a text that is of no worker of
 * ours.
 */
export function failureOf(text: string): BeamBridgeError | undefined {
  const found = TEXT.exec(text);
  const [, message, code, more = ''] = found ?? [];
  if (message === undefined || !isErrorCode(code)) return undefined;
  const [, transform, appliedAt] = TRANSFORM.exec(more) ?? [];
  const detail = [...more.matchAll(DETAIL)].map(([line]) => line.slice(4)).join('\n');
  const hint = HINT.exec(more)?.[1];
  return new BeamBridgeError(code, message, {
    transform,
    appliedAt,
    hint,
    detail: detail || undefined,
  });
}
