// SPDX-License-Identifier: Apache-2.0
// Parts of two versions of a file together are wrong lines.

import { BeamBridgeError } from '../../base/index.ts';

/** The error of a file that was shortened, replaced or written to. */
export function changed(path: string): BeamBridgeError {
  return new BeamBridgeError('IO_FAILED', `${path} was changed while it was read`, {
    hint: 'Whoever writes it should write under another name and rename it when it is complete; copy a file that still grows and read the copy.',
  });
}
