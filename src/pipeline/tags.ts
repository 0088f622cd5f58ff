// SPDX-License-Identifier: Apache-2.0
// Names of inputs and outputs.

import { BeamBridgeError } from '../base/index.ts';

/**
 * Refuses the one name that no table of a message can hold in JavaScript: writing it sets the table's
 * prototype, and the PCollection would be gone without a word.
 */
export function checkTag(tag: string): void {
  if (tag !== '__proto__') return;
  throw new BeamBridgeError('INVALID_ARGUMENT', 'no input or output can be tagged "__proto__"', {
    hint: 'Give it another tag.',
  });
}
