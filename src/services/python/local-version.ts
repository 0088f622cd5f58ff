// SPDX-License-Identifier: Apache-2.0
// Which Python pipelines are expanded by on this machine: what it pickles, another minor version cannot read.

import { BeamBridgeError } from '../../base/index.ts';
import { findInterpreter, probeInterpreter } from './interpreter.ts';

/**
 * Major and minor version: `3.12`. That of `BEAMBRIDGE_PYTHON`, else of the Python that environments are
 * built from.
 *
 * @throws BeamBridgeError `PYTHON_NOT_FOUND`, `PYTHON_TOO_OLD`, `UNSUPPORTED`
 */
export async function localPythonVersion(): Promise<string> {
  const named = process.env.BEAMBRIDGE_PYTHON;
  const found = named ? await probeInterpreter(named) : await findInterpreter();
  if (!found) {
    throw new BeamBridgeError(
      'PYTHON_NOT_FOUND',
      `BEAMBRIDGE_PYTHON is ${named}, which is no Python`,
      {
        hint: 'Name the path of an interpreter, or say the version: --python=3.12.',
      },
    );
  }
  return found.version.split('.').slice(0, 2).join('.');
}
