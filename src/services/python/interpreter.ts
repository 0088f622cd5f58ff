// SPDX-License-Identifier: Apache-2.0
// Finds a Python that an environment can be made from.

import { BeamBridgeError } from '../../base/index.ts';
import { runPythonCode } from './run-python.ts';

/** The oldest Python that apache-beam runs on. */
export const OLDEST_MINOR = 10;
/** The newest that the pinned wheels are known to cover. */
const NEWEST_MINOR = 14;

const PROBE_TIMEOUT_MS = 15_000;
const PROBE =
  'import json; print(json.dumps([list(sys.version_info[:3]), sys.executable, sys.implementation.name, bool(__import__("sysconfig").get_config_var("Py_GIL_DISABLED"))]))';

/** A Python on this machine. */
export interface Interpreter {
  /** Absolute path of the executable. */
  path: string;
  /** For example `3.11.7`. */
  version: string;
}

/** What `command` is, or undefined when it is no Python that starts. */
export async function probeInterpreter(
  command: string,
  signal?: AbortSignal,
): Promise<Interpreter | undefined> {
  const result = await runPythonCode(command, PROBE, [], { timeout: PROBE_TIMEOUT_MS, signal });
  if (!result.ok) return undefined;
  try {
    const [version, executable] = JSON.parse(result.stdout.split('\n').at(-1) ?? '') as [
      number[],
      string,
    ];
    return { path: executable || command, version: version.join('.') };
  } catch {
    return undefined;
  }
}

/** The minor version of `3.x`, or -1 for Python 2. */
export function minorOf(version: string): number {
  const [major, minor] = version.split('.').map(Number);
  return major === 3 ? (minor ?? -1) : -1;
}

/**
 * The Python to build environments from: `BEAMBRIDGE_BASE_PYTHON` when it is set, else the first of
 * `python3`, `python3.13` down to `python3.10`, and `python` that is new enough.
 *
 * @throws BeamBridgeError `PYTHON_NOT_FOUND`, `PYTHON_TOO_OLD`, `ABORTED`
 */
export async function findInterpreter(signal?: AbortSignal): Promise<Interpreter> {
  const named = process.env.BEAMBRIDGE_BASE_PYTHON;
  const candidates = named
    ? [named]
    : ['python3', 'python3.13', 'python3.12', 'python3.11', 'python3.10', 'python3.14', 'python'];
  const unfit: Interpreter[] = [];
  for (const candidate of candidates) {
    const found = await probeInterpreter(candidate, signal);
    if (!found) continue;
    const minor = minorOf(found.version);
    if (minor >= OLDEST_MINOR && (named || minor <= NEWEST_MINOR)) return found;
    unfit.push(found);
  }
  const newer = unfit.find((python) => minorOf(python.version) > NEWEST_MINOR);
  if (newer) return newer;
  throw unusable(named, unfit);
}

function unusable(named: string | undefined, tooOld: readonly Interpreter[]): BeamBridgeError {
  const install =
    'Install Python 3.10 to 3.14 (for example `apt install python3 python3-venv`, `brew install python@3.13` or `uv python install 3.13`)';
  const first = tooOld[0];
  if (first) {
    return new BeamBridgeError(
      'PYTHON_TOO_OLD',
      `Python 3.${OLDEST_MINOR} or newer is needed, and ${first.path} is ${first.version}`,
      { hint: `${install}, or name another one in BEAMBRIDGE_BASE_PYTHON.` },
    );
  }
  return new BeamBridgeError(
    'PYTHON_NOT_FOUND',
    named
      ? `BEAMBRIDGE_BASE_PYTHON is ${named}, which is no Python that starts`
      : 'no Python was found on the PATH',
    { hint: `${install}, or name it in BEAMBRIDGE_BASE_PYTHON.` },
  );
}
