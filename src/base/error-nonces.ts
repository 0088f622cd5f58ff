// SPDX-License-Identifier: Apache-2.0
// What tells our own word in a Python error's text from data that looks like it. Beam carries errors
// as text, and an exception's text may quote an element: so the line in which beambridge_host names a
// code and a hint holds a word that follows from its host's secret, and that no data can know.

import { createHash } from 'node:crypto';

const trusted = new Set<string>();

/** The word of the host with this token; its errors are believed from now on. */
export function errorNonce(token: string): string {
  const nonce = createHash('sha256')
    .update(`beambridge errors ${token}`)
    .digest('hex')
    .slice(0, 24);
  trusted.add(nonce);
  return nonce;
}

/** Whether it is the word of a host that this program knows or knew: errors may outlive a host. */
export function isErrorNonce(text: string): boolean {
  return trusted.has(text);
}
