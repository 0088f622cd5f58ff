// SPDX-License-Identifier: Apache-2.0
// Tags and timestamps that a user put around an output, in whatever order.

import { BeamBridgeError } from '../../base/index.ts';
import type { Instant } from '../../coders/index.ts';
import { TaggedOutput, TimestampedValue } from '../../pipeline/index.ts';

/** An output taken out of its wrappers. */
export interface Unwrapped {
  readonly value: unknown;
  readonly tag: string | undefined;
  readonly timestamp: Instant | undefined;
}

const NOTHING: Omit<Unwrapped, 'value'> = { tag: undefined, timestamp: undefined };

/**
 * Takes off all wrappers.
 *
 * @param outer - what wrappers said that are off already, around a promise
 * @throws `USER_CODE_FAILED` for two tags or two timestamps: nobody can tell which is meant
 */
export function unwrap(output: unknown, outer = NOTHING): Unwrapped {
  let value = output;
  let { tag, timestamp } = outer;
  for (;;) {
    if (value instanceof TaggedOutput) {
      if (tag !== undefined) {
        throw twice('tags', `${JSON.stringify(tag)} and ${JSON.stringify(value.tag)}`);
      }
      ({ tag } = value);
    } else if (value instanceof TimestampedValue) {
      if (timestamp !== undefined) throw twice('timestamps', `${timestamp} and ${value.timestamp}`);
      ({ timestamp } = value);
    } else {
      return { value, tag, timestamp };
    }
    ({ value } = value as { value: unknown });
  }
}

function twice(what: string, which: string): BeamBridgeError {
  return new BeamBridgeError('USER_CODE_FAILED', `an output has two ${what}: ${which}`, {
    hint: 'Wrap an output once in tagged(…) and once in timestamped(…), in any order.',
  });
}
