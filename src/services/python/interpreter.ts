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

const CPYTHON = 'cpython';
/** How people write what Python calls its implementation. */
const KINDS = new Map([
  ['pypy', 'PyPy'],
  ['graalpy', 'GraalPy'],
]);

/** A Python on this machine. */
export interface Interpreter {
  /** Absolute path of the executable. */
  path: string;
  /** For example `3.11.7`. */
  version: string;
  /** Of which kind it is, where Beam has no wheels for it: `PyPy`, `free-threaded CPython`. */
  otherKind?: string;
}

type Probe = [
  version: number[],
  executable: string,
  implementation?: string,
  freeThreaded?: boolean,
];

/** What `command` is, or undefined when it is no Python that starts. */
export async function probeInterpreter(
  command: string,
  signal?: AbortSignal,
): Promise<Interpreter | undefined> {
  const result = await runPythonCode(command, PROBE, [], { timeout: PROBE_TIMEOUT_MS, signal });
  if (!result.ok) return undefined;
  try {
    const probe = JSON.parse(result.stdout.split('\n').at(-1) ?? '') as Probe;
    const [version, executable, implementation = CPYTHON, freeThreaded = false] = probe;
    const found = { path: executable || command, version: version.join('.') };
    if (implementation !== CPYTHON) {
      return { ...found, otherKind: KINDS.get(implementation) ?? implementation };
    }
    return freeThreaded ? { ...found, otherKind: 'free-threaded CPython' } : found;
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
 * @throws BeamBridgeError `PYTHON_NOT_FOUND`, `PYTHON_TOO_OLD`, `UNSUPPORTED` where there is only another
 * kind of Python, `ABORTED`
 */
export async function findInterpreter(signal?: AbortSignal): Promise<Interpreter> {
  const named = process.env.BEAMBRIDGE_BASE_PYTHON;
  const candidates = named
    ? [named]
    : ['python3', 'python3.13', 'python3.12', 'python3.11', 'python3.10', 'python3.14', 'python'];
  const unfit: Interpreter[] = [];
  const otherKinds: Interpreter[] = [];
  for (const candidate of candidates) {
    const found = await probeInterpreter(candidate, signal);
    if (!found) continue;
    const minor = minorOf(found.version);
    if (found.otherKind) {
      otherKinds.push(found);
      continue;
    }
    if (minor >= OLDEST_MINOR && (named || minor <= NEWEST_MINOR)) return found;
    unfit.push(found);
  }
  const newer = unfit.find((python) => minorOf(python.version) > NEWEST_MINOR);
  if (newer) return newer;
  const [other] = otherKinds;
  throw other ? otherKindError(other, named && 'BEAMBRIDGE_BASE_PYTHON') : unusable(named, unfit);
}

/** The error of a Python of another kind, which `named` names. */
export function otherKindError(
  { path, version, otherKind }: Interpreter,
  named: string | undefined,
): BeamBridgeError {
  return new BeamBridgeError(
    'UNSUPPORTED',
    `${named ? `${named} is ` : ''}${path}, which is ${otherKind} ${version}, and CPython is needed`,
    {
      hint: `Apache Beam has no wheels for ${otherKind}. ${INSTALL}, or name ${named ? 'it there' : 'one in BEAMBRIDGE_BASE_PYTHON'}.`,
    },
  );
}

const INSTALL =
  'Install Python 3.10 to 3.14 (for example `apt install python3 python3-venv`, `brew install python@3.13` or `uv python install 3.13`)';

function unusable(named: string | undefined, tooOld: readonly Interpreter[]): BeamBridgeError {
  const first = tooOld[0];
  if (first) {
    return new BeamBridgeError(
      'PYTHON_TOO_OLD',
      `Python 3.${OLDEST_MINOR} or newer is needed, and ${first.path} is ${first.version}`,
      { hint: `${INSTALL}, or name another one in BEAMBRIDGE_BASE_PYTHON.` },
    );
  }
  return new BeamBridgeError(
    'PYTHON_NOT_FOUND',
    named
      ? `BEAMBRIDGE_BASE_PYTHON is ${named}, which is no Python that starts`
      : 'no Python was found on the PATH',
    { hint: `${INSTALL}, or name it in BEAMBRIDGE_BASE_PYTHON.` },
  );
}
