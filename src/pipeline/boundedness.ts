// SPDX-License-Identifier: Apache-2.0
// Whether a source that ends at a time is a stream all the same.

import { BeamBridgeError } from '../base/index.ts';
import { describeValue } from '../coders/index.ts';

/**
 * Whether a source's output is bounded: as asked for, or where it ends.
 *
 * @param end - whether the source ends, and by which option
 * @throws `INVALID_ARGUMENT` for what is no boolean, and for a bounded source that does not end
 */
export function boundedness(
  source: string,
  asked: boolean | undefined,
  end: { readonly ends: boolean; readonly by: string },
): boolean {
  if (asked === undefined) return end.ends;
  if (typeof asked !== 'boolean') {
    throw new BeamBridgeError('INVALID_ARGUMENT', `${source}: bounded is ${describeValue(asked)}`, {
      hint: `Give true or false, or leave it out: with ${end.by} the output is bounded.`,
    });
  }
  if (!asked || end.ends) return asked;
  throw new BeamBridgeError('INVALID_ARGUMENT', `${source} is to be bounded and never ends`, {
    hint: `Give ${end.by} too.`,
  });
}
