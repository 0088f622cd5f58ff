// SPDX-License-Identifier: Apache-2.0
// An environment is built beside the place where it will stay and takes that place when it works. So
// what is there, damaged or not, stays until then, and a build that fails or is killed changes nothing.

import { randomBytes } from 'node:crypto';
import { lstat, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { BeamBridgeError, conceal, getLogger } from '../../base/index.ts';
import { folderError, makeFolder } from './cache.ts';
import type { EnvironmentProgress, PythonEnvironment } from './environment.ts';
import { findInstaller, type InstallContext, type Installer, pythonIn } from './install.ts';
import type { Interpreter } from './interpreter.ts';
import { acquireLock } from './lock.ts';
import { installPlans } from './plan.ts';
import type { Requirements } from './requirements.ts';
import { copySources } from './sources.ts';
import { folderOf, importBeam, isWhole, MARKER } from './whole.ts';

const CONSTRAINTS = 'constraints.txt';
/** In the names of folders that are no environments: half built, or about to be removed. */
export const BUILDING = '.building-';

const log = getLogger('python-env');

/** What {@link buildOnce} builds, and from what. */
export interface BuildOptions {
  readonly environment: PythonEnvironment;
  readonly interpreter: Interpreter;
  readonly requirements: Requirements;
  readonly onProgress: (progress: EnvironmentProgress) => void;
  readonly verify: boolean | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Builds an environment unless somebody else just did. */
export async function buildOnce(options: BuildOptions): Promise<void> {
  const { environment, onProgress, signal, verify } = options;
  const folder = folderOf(environment);
  const parent = path.dirname(folder);
  try {
    await makeFolder(parent);
    await using _lock = await acquireLock(`${folder}.lock`, {
      signal,
      onWait: (pid) =>
        onProgress({
          phase: 'waiting',
          message: `waiting for ${pid === undefined ? 'somebody who' : `process ${pid}, which`} builds the Python environment…`,
        }),
    });
    // Whoever held the lock may just have built it.
    if (await isWhole(environment, verify, signal)) return;
    // Builds that were killed: we hold the lock, so nobody is at them.
    await removeBuilds(parent, environment.key);
    onProgress({
      phase: 'building',
      message: 'building the Python environment (once, about a minute)…',
    });
    const started = performance.now();
    await build(options);
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    onProgress({ phase: 'ready', message: `the Python environment is ready (${seconds} s)` });
  } catch (error) {
    throw withCommand(error, options);
  }
}

/** Where nothing can be written, the command that builds the environment where something can. */
function withCommand(error: unknown, { requirements, environment }: BuildOptions): unknown {
  const failure =
    error instanceof BeamBridgeError ? error : folderError(error, folderOf(environment));
  const { code: errno } = (failure.cause ?? {}) as NodeJS.ErrnoException;
  if (errno !== 'EROFS' && errno !== 'EACCES' && errno !== 'EPERM') return failure;
  return new BeamBridgeError(failure.code, failure.shortMessage, {
    hint: `Build it beforehand, where and by whom that folder can be written (in an image, say): \`${buildCommand(requirements)}\`. Or set BEAMBRIDGE_HOME to a folder that can be written.`,
    detail: failure.detail,
    cause: failure.cause,
  });
}

/** The command line that builds an environment. */
export function buildCommand({ extras, packages }: Requirements): string {
  const quote = (text: string) =>
    /^[\w./=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
  return [
    'npx beambridge env build',
    ...extras.map((extra) => `--extra ${extra}`),
    ...packages.map((spec) => `--package ${quote(conceal(spec))}`),
  ].join(' ');
}

async function build(options: BuildOptions): Promise<void> {
  const { environment, interpreter, requirements, onProgress, signal } = options;
  const target = folderOf(environment);
  const folder = `${target}${BUILDING}${randomBytes(4).toString('hex')}`;
  const installer = await findInstaller(signal);
  try {
    const sources = await copySources(requirements.packages, `${folder}-sources`);
    const context: InstallContext = {
      folder,
      interpreter,
      signal,
      originals: sources.originals,
      onLine: (printed) => {
        const line = conceal(printed);
        log.debug(line);
        const step =
          /^\s*(Collecting|Downloading|Building|Preparing|Prepared|Installing|Installed|Resolved)\b.*/.exec(
            line,
          );
        if (step) onProgress({ phase: 'installing', message: step[0].trim() });
      },
    };
    await installer.create(context);
    await install(installer, context, requirements, sources.packages);
    await checkImports({ ...environment, python: pythonIn(folder) }, signal);
    await moveScripts(folder, target);
    await writeMarker(folder, options, installer.name);
    await swap(folder, target);
  } finally {
    await rm(`${folder}-sources`, { recursive: true, force: true }).catch(() => {});
    await rm(folder, { recursive: true, force: true }).catch(() => {});
  }
}

/** By the first way in which everything fits. */
async function install(
  installer: Installer,
  context: InstallContext,
  requirements: Requirements,
  packages: readonly string[],
): Promise<void> {
  const constraints = path.join(context.folder, CONSTRAINTS);
  let failure: unknown;
  for (const plan of await installPlans(requirements)) {
    const wanted = { packages, names: plan.names, constraints };
    await writeFile(constraints, plan.constraints);
    try {
      if (packages.length > 0) await installer.checkPackages(context, wanted);
    } catch (error) {
      if (!(error instanceof BeamBridgeError && error.code === 'PACKAGE_NOT_INSTALLABLE'))
        throw error;
      // The first tells of the packages alone, without what would have to fit them.
      failure ??= error;
      continue;
    }
    if (plan.files.length > 0) await installer.installPinned(context, plan.files);
    if (packages.length > 0) await installer.installPackages(context, wanted);
    return;
  }
  throw failure;
}

async function writeMarker(
  folder: string,
  { environment: { key, version }, requirements: { extras, packages } }: BuildOptions,
  installer: string,
): Promise<void> {
  const content = { key, version, extras, packages, installer, built: new Date().toISOString() };
  await writeFile(path.join(folder, MARKER), JSON.stringify(content, null, 2));
}

async function checkImports(
  environment: PythonEnvironment,
  signal: AbortSignal | undefined,
): Promise<void> {
  const result = await importBeam(environment, signal);
  if (result.ok) return;
  throw new BeamBridgeError(
    'ENVIRONMENT_BUILD_FAILED',
    'the Python environment was built, but does not work',
    {
      hint: 'Run `beambridge env clean` and try again, perhaps with another Python in BEAMBRIDGE_BASE_PYTHON.',
      detail: result.output,
    },
  );
}

/** Installers write the place of an environment into its scripts, and nowhere else that matters. */
async function moveScripts(from: string, to: string): Promise<void> {
  const scripts = path.join(from, 'bin');
  for (const name of await readdir(scripts)) {
    const file = path.join(scripts, name);
    if (!(await lstat(file)).isFile()) continue;
    const content = await readFile(file);
    if (!content.includes(from)) continue;
    const moved = content.toString('latin1').replaceAll(latin1(from), latin1(to));
    await writeFile(file, moved, 'latin1');
  }
}

function latin1(text: string): string {
  return Buffer.from(text).toString('latin1');
}

/** Between the two steps there is no environment, and whoever looks then waits for the lock. */
async function swap(folder: string, target: string): Promise<void> {
  const old = `${folder}-old`;
  await rename(target, old).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  await rename(folder, target);
  await rm(old, { recursive: true, force: true }).catch(() => {});
}

/** Removes what builds of `key` left behind when they were killed. */
export async function removeBuilds(parent: string, key: string): Promise<void> {
  for (const name of await readdir(parent).catch(() => [])) {
    if (!name.startsWith(`${key}${BUILDING}`)) continue;
    await rm(path.join(parent, name), { recursive: true, force: true }).catch(() => {});
  }
}
