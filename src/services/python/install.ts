// SPDX-License-Identifier: Apache-2.0
// Creates an environment and installs into it, with uv or with Python's own venv and pip.

import path from 'node:path';
import { BeamBridgeError } from '../../base/index.ts';
import { runTool } from '../process/run-tool.ts';
import { classifyFailure, isConnectivityLine } from './classify.ts';
import type { Interpreter } from './interpreter.ts';
import { moduleArguments } from './run-python.ts';
import { toolEnvironment } from './tool-environment.ts';

/** From the first sign that registries cannot be reached until we give up, unless it goes on. */
const OFFLINE_AFTER_MS = 20_000;
/** How often a request is tried again, and how long one may take. Seconds. */
const RETRIES = '1';
const REQUEST_TIMEOUT_S = '12';

/** Sees what the tools print, for progress. */
export type InstallListener = (line: string) => void;

/** What every step of a build gets. */
export interface InstallContext {
  /** Folder of the environment. */
  folder: string;
  interpreter: Interpreter;
  /** The user's own paths of what is installed from a copy. */
  originals: ReadonlyMap<string, string>;
  onLine: InstallListener;
  signal?: AbortSignal | undefined;
}

/** Builds environments with one tool. */
export interface Installer {
  readonly name: 'uv' | 'pip';
  create(context: InstallContext): Promise<void>;
  /** Fails at once for packages that do not exist or contradict what is pinned. */
  checkPackages(context: InstallContext, wanted: WantedPackages): Promise<void>;
  /** Installs files of pinned and hashed requirements. */
  installPinned(context: InstallContext, files: readonly string[]): Promise<void>;
  /** Installs the user's packages, and what goes with them, within the constraints. */
  installPackages(context: InstallContext, wanted: WantedPackages): Promise<void>;
}

/** Packages without hashes. */
export interface WantedPackages {
  /** The user's own. */
  readonly packages: readonly string[];
  /** What must fit them, by name. */
  readonly names: readonly string[];
  /** Path of a file of versions that nothing may contradict. */
  readonly constraints: string;
}

function argumentsOf({ packages, names, constraints }: WantedPackages): string[] {
  return ['-c', constraints, '--', ...names, ...packages];
}

/**
 * A look at the packages themselves, which takes seconds where an installation takes a minute; with
 * their dependencies where others must fit them.
 */
function lookAt(wanted: WantedPackages): string[] {
  return ['--dry-run', ...(wanted.names.length > 0 ? [] : ['--no-deps']), ...argumentsOf(wanted)];
}

/** The Python of an environment. */
export function pythonIn(folder: string): string {
  return path.join(folder, 'bin', 'python');
}

/** uv when `BEAMBRIDGE_UV` names it or the PATH has it, else venv and pip. */
export async function findInstaller(signal?: AbortSignal): Promise<Installer> {
  const named = process.env.BEAMBRIDGE_UV;
  const command = named || 'uv';
  const probe = await runTool(command, ['--version'], { timeout: 10_000, signal });
  // npm has an unrelated command of the same name: the Python tool prints `uv 0.x`.
  if (probe.ok && /^uv \d/.test(probe.stdout)) return uvInstaller(command);
  if (named) {
    throw new BeamBridgeError(
      'ENVIRONMENT_BUILD_FAILED',
      `BEAMBRIDGE_UV is ${named}, which is not uv`,
      {
        hint: 'Name the uv executable, or unset BEAMBRIDGE_UV to use pip.',
      },
    );
  }
  return pipInstaller;
}

function uvInstaller(command: string): Installer {
  const env = {
    UV_HTTP_TIMEOUT: REQUEST_TIMEOUT_S,
    UV_HTTP_RETRIES: RETRIES,
    UV_NO_PROGRESS: '1',
    // Those that the machine trusts, a company's own among them, as pip does. Old versions know the second name.
    UV_SYSTEM_CERTS: process.env.UV_SYSTEM_CERTS ?? 'true',
    UV_NATIVE_TLS: process.env.UV_NATIVE_TLS ?? 'true',
  };
  const pip = (
    context: InstallContext,
    doing: string,
    args: readonly string[],
    packages: readonly string[] = [],
  ) =>
    step(
      context,
      doing,
      command,
      // Compiled at install, because hosts never write byte code.
      [
        'pip',
        'install',
        '--python',
        pythonIn(context.folder),
        '--compile-bytecode',
        '--no-color',
        ...args,
      ],
      packages,
      env,
    );
  return {
    name: 'uv',
    create: (context) =>
      step(
        context,
        'created a virtual environment',
        command,
        [
          'venv',
          '--no-project',
          '--no-python-downloads',
          '--no-color',
          '--python',
          context.interpreter.path,
          context.folder,
        ],
        [],
        env,
      ),
    installPinned: (context, files) =>
      pip(context, 'installed the pinned packages', [
        '--require-hashes',
        ...files.flatMap((file) => ['-r', file]),
      ]),
    checkPackages: (context, wanted) =>
      pip(context, 'looked for extra packages', lookAt(wanted), wanted.packages),
    installPackages: (context, wanted) =>
      pip(context, 'installed extra packages', argumentsOf(wanted), wanted.packages),
  };
}

const pipInstaller: Installer = {
  name: 'pip',
  create: (context) =>
    step(
      context,
      'created a virtual environment',
      context.interpreter.path,
      [...moduleArguments('venv'), context.folder],
      [],
    ),
  installPinned: (context, files) =>
    pipInstall(context, 'installed the pinned packages', [
      '--require-hashes',
      ...files.flatMap((file) => ['-r', file]),
    ]),
  checkPackages: (context, wanted) =>
    pipInstall(context, 'looked for extra packages', lookAt(wanted), wanted.packages),
  installPackages: (context, wanted) =>
    pipInstall(context, 'installed extra packages', argumentsOf(wanted), wanted.packages),
};

function pipInstall(
  context: InstallContext,
  doing: string,
  args: readonly string[],
  packages: readonly string[] = [],
): Promise<void> {
  const options = [
    '--no-input',
    '--disable-pip-version-check',
    '--no-color',
    '--progress-bar=off',
    `--retries=${RETRIES}`,
    `--timeout=${REQUEST_TIMEOUT_S}`,
  ];
  return step(
    context,
    doing,
    pythonIn(context.folder),
    [...moduleArguments('pip'), 'install', ...options, ...args],
    packages,
  );
}

/** Runs one tool; a failure becomes the error that its output means. */
async function step(
  { onLine, originals, signal }: InstallContext,
  doing: string,
  command: string,
  args: readonly string[],
  packages: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const offline = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const result = await runTool(command, args, {
    env: toolEnvironment(env),
    signal: signal ? AbortSignal.any([signal, offline.signal]) : offline.signal,
    onLine: (line) => {
      onLine(line);
      if (isConnectivityLine(line)) {
        timer ??= setTimeout(() => offline.abort(), OFFLINE_AFTER_MS);
      } else if (timer && line.trim() !== '') {
        clearTimeout(timer);
        timer = undefined;
      }
      return undefined;
    },
  }).catch((error: unknown) => {
    if (offline.signal.aborted && !signal?.aborted) return undefined;
    throw error;
  });
  clearTimeout(timer);
  if (result?.ok) return;
  let output = result?.output ?? '';
  for (const [copy, original] of originals) output = output.replaceAll(copy, original);
  throw classifyFailure({
    doing,
    output,
    packages: packages.map((spec) => originals.get(spec) ?? spec),
    offline: result === undefined,
  });
}
