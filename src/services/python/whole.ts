// SPDX-License-Identifier: Apache-2.0
// Whether an environment is all there, and whether it works. Only what is known to be damaged may be
// built anew: a check that was killed, ran out of memory or took too long says nothing about it.

import { access, constants, readdir } from 'node:fs/promises';
import path from 'node:path';
import type { ToolResult } from '../process/run-tool.ts';
import type { PythonEnvironment } from './environment.ts';
import { runPythonCode } from './run-python.ts';

/** The file that is written last, and says what is in an environment. */
export const MARKER = 'beambridge.json';

const CHECK_TIMEOUT_MS = 60_000;

/** The exit status by which {@link CHECK} says that something of the environment cannot be imported. */
const DAMAGED = 71;

const CHECK = `
try:
    import importlib.metadata as m; m.version("apache-beam"); import apache_beam, grpc
except ImportError as error:
    import traceback; traceback.print_exc()
    short = ("Cannot allocate memory", "failed to map segment", "Too many open files")
    sys.exit(1 if any(text in str(error) for text in short) else ${DAMAGED})
`;

/** Where an environment is. */
export function folderOf(environment: PythonEnvironment): string {
  return path.dirname(path.dirname(environment.python));
}

/** Starts an environment's Python and imports Beam. */
export function importBeam(
  environment: PythonEnvironment,
  signal: AbortSignal | undefined,
): Promise<ToolResult> {
  return runPythonCode(environment.python, CHECK, [], {
    env: { PYTHONPATH: undefined, PYTHONHOME: undefined },
    timeout: CHECK_TIMEOUT_MS,
    signal,
  });
}

/**
 * Cheap, because every run asks: no process is started unless `verify` is set. One whose check did not
 * come to an end counts as whole.
 */
export async function isWhole(
  environment: PythonEnvironment,
  verify = false,
  signal?: AbortSignal,
): Promise<boolean> {
  const folder = folderOf(environment);
  try {
    await access(path.join(folder, MARKER));
    // Fails when the Python that the environment was made from is gone, too.
    await access(environment.python, constants.X_OK);
    const libraries = path.join(folder, 'lib');
    const [version] = (await readdir(libraries)).filter((name) => name.startsWith('python'));
    const packages = path.join(libraries, version ?? '', 'site-packages');
    await access(path.join(packages, 'apache_beam', '__init__.py'));
    const installed = await readdir(packages);
    if (!installed.some((name) => /^apache_beam-.*\.dist-info$/.test(name))) return false;
  } catch {
    return false;
  }
  return !verify || (await importBeam(environment, signal)).code !== DAMAGED;
}
