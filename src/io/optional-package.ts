// SPDX-License-Identifier: Apache-2.0
// Packages that users install if they want them, loaded no earlier than they are used.

import { BeamBridgeError } from '../base/index.ts';

/**
 * A package.
 *
 * @param what - wants it, as the error says it
 * @throws `PACKAGE_NOT_FOUND` when it is not installed, or cannot be loaded
 */
export async function optionalPackage<T>(name: string, what: string): Promise<T> {
  try {
    // By a name that bundlers do not see, as that of the client of Kafka.
    return (await import(name)) as T;
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND';
    throw new BeamBridgeError(
      'PACKAGE_NOT_FOUND',
      `${what} needs the package ${name}${isMissing ? '' : ', which cannot be loaded'}`,
      {
        hint: `Install it beside beambridge: npm install ${name}. A program that travels to workers as a bundle leaves it behind: install it there, and say workerProgram: 'module'.`,
        cause,
      },
    );
  }
}
