// SPDX-License-Identifier: Apache-2.0
// A Python that the user manages: named in BEAMBRIDGE_PYTHON or by the option `python`, used as it is, checked, never changed.

import { createHash } from 'node:crypto';
import path from 'node:path';
import { BeamBridgeError, conceal } from '../../base/index.ts';
import { nameOf } from './classify.ts';
import type { PythonEnvironment } from './environment.ts';
import { minorOf, OLDEST_MINOR, otherKindError, probeInterpreter } from './interpreter.ts';
import { broughtBy } from './plan.ts';
import type { PythonExtra, Requirements } from './requirements.ts';
import { runPythonCode } from './run-python.ts';

/** The apache-beam that the wire types and the host are made for. */
export const BEAM_VERSION = '2.77.0';

const CHECK_TIMEOUT_MS = 30_000;

// Prints the installed version of Beam and which of the requirements given as arguments are not met.
const CHECK = `
import importlib.metadata as metadata, json
def version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
def met(text):
    try:
        from packaging.requirements import Requirement
        requirement = Requirement(text)
        found = version(requirement.name)
        return found is not None and requirement.specifier.contains(found, prereleases=True)
    except Exception:
        import re
        return version(re.split(r'[^A-Za-z0-9._-]', text)[0]) is not None
print(json.dumps([version('apache-beam'), [a for a in sys.argv[1:] if not met(a)]]))
`;

/** The distributions that an extra stands for. */
const EXTRA_PACKAGES: Readonly<Record<PythonExtra, readonly string[]>> = {
  sklearn: ['scikit-learn', 'pandas'],
  xgboost: ['xgboost'],
  onnx: ['onnx', 'onnxruntime'],
  torch: ['torch'],
  huggingface: ['transformers', 'torch'],
  tensorflow: ['tensorflow'],
  adk: ['google-adk'],
  vertexai: ['google-cloud-aiplatform'],
  gemini: ['google-genai', 'pillow'],
  anthropic: ['anthropic'],
  tensorrt: ['tensorrt', 'cuda-python'],
  gcp: ['google-cloud-storage', 'google-cloud-dataflow-client'],
  dataframe: ['pandas==2.2.3'],
  vllm: ['vllm', 'openai'],
};

/** How {@link useGivenPython} speaks of it. */
export interface GivenOptions {
  /** Where the user named it. @default 'BEAMBRIDGE_PYTHON' */
  named?: string;
  signal?: AbortSignal | undefined;
}

interface Lacking {
  readonly named: string;
  readonly command: string;
  readonly missing: readonly string[];
  readonly detail: string | undefined;
}

/**
 * Checks a Python that the user named.
 *
 * @throws BeamBridgeError `PYTHON_NOT_FOUND`, `PYTHON_TOO_OLD`, `UNSUPPORTED` for another kind than CPython,
 * `PACKAGE_NOT_INSTALLABLE` when something that the pipeline needs is not installed there
 */
export async function useGivenPython(
  name: string,
  requirements: Requirements,
  { named = 'BEAMBRIDGE_PYTHON', signal }: GivenOptions = {},
): Promise<PythonEnvironment> {
  // A program may go to another folder before it starts the host.
  const command = name.includes('/') ? path.resolve(name) : name;
  const lacks = (missing: readonly string[], detail?: string) =>
    lacking({ named, command, missing, detail });
  const found = await probeInterpreter(command, signal);
  if (!found) {
    throw new BeamBridgeError(
      'PYTHON_NOT_FOUND',
      `${named} is ${command}, which is no Python that starts`,
      {
        hint: 'Name the path of a Python executable, or leave it out to have an environment built.',
      },
    );
  }
  if (found.otherKind) throw otherKindError(found, named);
  if (minorOf(found.version) < OLDEST_MINOR) {
    throw new BeamBridgeError(
      'PYTHON_TOO_OLD',
      `${named} is Python ${found.version}, and 3.${OLDEST_MINOR} or newer is needed`,
      { hint: 'Name a newer Python, or leave it out.' },
    );
  }
  const own = broughtBy(requirements.packages);
  const wanted = [
    ...requirements.extras
      .flatMap((extra) => EXTRA_PACKAGES[extra as PythonExtra] ?? [])
      .filter((spec) => !own.has(nameOf(spec))),
    ...requirements.packages,
  ];
  const check = await runPythonCode(command, CHECK, wanted, {
    timeout: CHECK_TIMEOUT_MS,
    signal,
  });
  const [beam, missing] = check.ok
    ? (JSON.parse(check.stdout.split('\n').at(-1) ?? '') as [string | null, string[]])
    : [null, []];
  if (beam === null)
    throw lacks([`apache-beam==${BEAM_VERSION}`], check.ok ? undefined : check.output);
  if (!sameMinor(beam)) {
    throw new BeamBridgeError(
      'ENVIRONMENT_BUILD_FAILED',
      `${named} has apache-beam ${beam}, and ${BEAM_VERSION} is needed`,
      {
        hint: `Run \`${command} -m pip install apache-beam==${BEAM_VERSION}\`, or leave it out.`,
      },
    );
  }
  if (missing.length > 0) throw lacks(missing);
  const key = createHash('sha256')
    .update(`${command}\0${found.version}`)
    .digest('hex')
    .slice(0, 20);
  return { python: command, key: `given-${key}`, version: found.version, managed: false };
}

function sameMinor(version: string): boolean {
  return version.split('.').slice(0, 2).join('.') === BEAM_VERSION.split('.').slice(0, 2).join('.');
}

function lacking({ named, command, missing, detail }: Lacking): BeamBridgeError {
  return new BeamBridgeError(
    'PACKAGE_NOT_INSTALLABLE',
    `${named} (${command}) does not have ${conceal(missing.join(', '))}`,
    {
      hint: `Nothing is installed into a Python of yours: run \`${command} -m pip install ${missing.map((spec) => `'${conceal(spec)}'`).join(' ')}\`, or leave it out.`,
      detail,
    },
  );
}
