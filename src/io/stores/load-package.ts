// SPDX-License-Identifier: Apache-2.0
// The packages of stores, which users install if they want them, loaded no earlier than a file of theirs is meant.

import { BeamBridgeError } from '../../base/index.ts';

/** @throws `PACKAGE_NOT_FOUND` when it is not installed */
export async function loadPackage(name: string, what: string): Promise<unknown> {
  try {
    // By a name that bundlers do not see, as that of the client of Kafka.
    return await import(name);
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND';
    throw new BeamBridgeError(
      'PACKAGE_NOT_FOUND',
      `${what} need the package ${name}${isMissing ? '' : ', which cannot be loaded'}`,
      {
        hint: `Install it beside beambridge: npm install ${name}. A program that travels to workers as a bundle leaves it behind: install it there, and say workerProgram: 'module'.`,
        cause,
      },
    );
  }
}
