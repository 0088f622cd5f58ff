// SPDX-License-Identifier: Apache-2.0
// Python workers that no host of ours starts: the command of one, for whoever does.

import path from 'node:path';
import { PYTHON_ENV_FOLDER } from './paths.ts';

/** A command and what it wants of its environment. */
export interface BootCommand {
  readonly command: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * A Python worker by Beam's container contract, on this Python; the contract's flags follow.
 *
 * @param folder - where `python-env` lies on its machine
 */
export function pythonBoot(python: string, folder = PYTHON_ENV_FOLDER): BootCommand {
  return {
    command: [python, path.join(folder, 'start.py'), 'beambridge_host.worker.boot'],
    // As a host has them: src/services/host/host.ts.
    env: { PYTHONSAFEPATH: 'beambridge', PYTHONDONTWRITEBYTECODE: '1', GRPC_VERBOSITY: 'ERROR' },
  };
}
