// SPDX-License-Identifier: Apache-2.0
// Shards appear: all or none as far as a store of objects can, and where it cannot, the error says which are there.

import { BeamBridgeError, getLogger } from '../../../base/index.ts';
import type { Before, ObjectClient, Upload } from './client.ts';
import { failureOf, Unsettled } from './failures.ts';
import { placeOf } from './path.ts';

const log = getLogger('io');

/** What became of a shard that was to appear. */
export interface Appeared {
  readonly to: string;
  /** Whether there was one of that name. */
  readonly replaced: boolean;
  readonly is: 'there' | 'nothing' | 'unknown';
  /** Why it is not as it should be. */
  readonly error?: BeamBridgeError;
}

/** Has a shard appear. */
export async function appear(
  client: ObjectClient,
  to: string,
  upload: Upload,
  errorOf: (error: unknown, path: string) => BeamBridgeError,
): Promise<Appeared> {
  const before = await beforeOf(client, to);
  const replaced = typeof before === 'object';
  try {
    await upload.finish(before);
    return { to, replaced, is: 'there' };
  } catch (error) {
    const is = error instanceof Unsettled ? error.is : 'nothing';
    return { to, replaced, is, error: errorOf(error, to) };
  }
}

async function beforeOf(client: ObjectClient, path: string): Promise<Before> {
  const { bucket, key } = placeOf(path);
  try {
    return (await client.look(bucket, key)) ?? 'nothing';
  } catch (error) {
    // Who may write may not be allowed to look.
    return failureOf(error) === 'missing' ? 'nothing' : 'unknown';
  }
}

/**
 * The error of an output of which a shard could not appear, behind its others being removed. What they replaced is gone.
 * Where it is not known whether that shard is there, none is removed: the rest of the output would be missing.
 */
export async function takenBack(
  client: ObjectClient,
  error: BeamBridgeError,
  appeared: readonly Appeared[],
): Promise<BeamBridgeError> {
  const unknown = appeared.filter(({ is }) => is === 'unknown').map(({ to }) => to);
  const there = appeared.filter(({ is }) => is === 'there');
  if (unknown.length > 0) return notKnown(error, unknown, there);
  const left = there.filter(({ replaced }) => replaced).map(({ to }) => to);
  for (const { to, replaced } of there) {
    if (replaced) continue;
    try {
      const { bucket, key } = placeOf(to);
      await client.remove(bucket, [key]);
    } catch (cause) {
      log.warn(`${to} could not be removed after the run that wrote it had failed`, cause);
      left.push(to);
    }
  }
  if (left.length === 0) return error;
  return new BeamBridgeError(
    error.code,
    `${error.shortMessage}; ${left.length} of the output's files are there already, such as ${left[0]}`,
    {
      hint: 'A store of objects cannot put back what was replaced: run it again, or remove them.',
      cause: error,
    },
  );
}

function notKnown(
  error: BeamBridgeError,
  unknown: readonly string[],
  there: readonly Appeared[],
): BeamBridgeError {
  const others =
    there.length === 0
      ? 'none of the output is there otherwise'
      : `${there.length} of the output's files are there, such as ${there[0]!.to}`;
  return new BeamBridgeError(
    error.code,
    `${error.shortMessage}; it is not known whether ${unknown.join(', ')} came to be there; ${others}`,
    {
      hint: 'The store did not say, and was asked several times. Nothing was removed: run it again, which replaces them, or remove them.',
      cause: error,
    },
  );
}
