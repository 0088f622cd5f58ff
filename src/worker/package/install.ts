// SPDX-License-Identifier: Apache-2.0
// A program that came as a package, installed on the machine of its worker: unpacked and its dependencies
// put beside it, once for all workers of the machine. A folder has its name when it is whole.

import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BeamBridgeError, getLogger, makeFolders } from '../../base/index.ts';
import { acquireLock, type NpmFailure, npmInstall, unpackTarball } from '../../services/index.ts';
import { forgetOld } from '../program-cache.ts';
import { SHRINKWRAP } from './pack.ts';

const log = getLogger('worker');

/** How long npm may take. Milliseconds. */
const INSTALL_TIMEOUT_MS = 600_000;
/** A folder in use says so this often, so that nobody forgets it. Milliseconds. */
const TOUCH_MS = 3600_000;
/** A package runs these where it is developed, and not where it is installed. */
const DEVELOPMENT = ['prepare', 'prepublish', 'preprepare', 'postprepare'];

/** What was submitted: `WorkerProgram.packed`. */
export interface WantedPackage {
  readonly name: string;
  readonly sha256: string;
  readonly entry: string;
}

/** Where a package is installed whose tarball lies at `tarball`. What is native is made for this Node. */
function folderOf(tarball: string, sha256: string): string {
  const machine = `${process.platform}-${process.arch}-${process.versions.modules}`;
  return join(dirname(tarball), 'packages', `${sha256}-${machine}`);
}

/**
 * The path of the program's module, installed unless it is.
 *
 * @param tarball - its path; it was checked
 * @throws BeamBridgeError `PROGRAM_NOT_INSTALLED`, `ABORTED`
 */
export async function installProgram(
  tarball: string,
  wanted: WantedPackage,
  signal: AbortSignal,
): Promise<string> {
  const folder = folderOf(tarball, wanted.sha256);
  const module = join(folder, ...wanted.entry.split('/'));
  if (!existsSync(folder)) {
    await makeFolders(dirname(folder), 0o700);
    await using _lock = await acquireLock(`${folder}.lock`, {
      signal,
      onWait: () => log.info(`another worker installs ${wanted.name}`),
    });
    // Whoever held the lock may just have installed it.
    if (!existsSync(folder)) await install(tarball, folder, wanted, signal);
  }
  touch(folder);
  await forgetOld(dirname(folder), 'folders');
  return module;
}

/** Now, and as long as this process uses it. */
function touch(folder: string): void {
  const now = () => {
    const time = new Date();
    // A folder that is only read from does for that.
    utimes(folder, time, time).catch(() => {});
  };
  now();
  setInterval(now, TOUCH_MS).unref();
}

async function install(
  tarball: string,
  folder: string,
  { name }: WantedPackage,
  signal: AbortSignal,
): Promise<void> {
  const building = `${folder}.${randomUUID()}.tmp`;
  try {
    await mkdir(building, { mode: 0o700 });
    const wrong = await unpackTarball(tarball, building, signal);
    if (wrong !== undefined) {
      throw notInstalled(`${name} cannot be unpacked`, 'What tar says is below.', wrong);
    }
    await withoutDevelopment(join(building, 'package.json'));
    const isLocked = await stat(join(building, SHRINKWRAP)).then(
      () => true,
      () => false,
    );
    if (!isLocked) log.warn(`${name} has no lock file: its packages are what npm finds today`);
    const failure = await npmInstall(building, { isLocked, signal, timeout: INSTALL_TIMEOUT_MS });
    if (failure) throw installError(name, failure);
    await rename(building, folder);
  } finally {
    await rm(building, { recursive: true, force: true });
  }
}

/** npm treats the package in a folder as one that is being developed. */
async function withoutDevelopment(path: string): Promise<void> {
  const manifest = JSON.parse(await readFile(path, 'utf8')) as {
    scripts?: Record<string, string>;
  };
  if (!manifest.scripts) return;
  for (const script of DEVELOPMENT) delete manifest.scripts[script];
  await writeFile(path, `${JSON.stringify(manifest, null, 2)}\n`);
}

function installError(name: string, { why, detail }: NpmFailure): BeamBridgeError {
  switch (why) {
    case 'missing':
      return notInstalled(
        `what ${name} depends on cannot be installed: there is no npm where this worker runs`,
        "Install npm there, which comes with Node, or let the program travel as a bundle: workerProgram: 'bundle'.",
        detail,
      );
    case 'timeout':
      return notInstalled(
        `what ${name} depends on was not installed within ${INSTALL_TIMEOUT_MS / 60_000} minutes`,
        'What npm said so far is below.',
        detail,
      );
    case 'offline':
      return notInstalled(
        `what ${name} depends on cannot be installed: the registry of npm cannot be reached from this worker`,
        'Name a registry that can be (npm_config_registry in the environment of workers), have the packages in an image with the program (workerProgram: \'module\'), or pack them along ("bundleDependencies").',
        detail,
      );
    case 'failed':
      return notInstalled(
        `npm cannot install what ${name} depends on`,
        'Its last lines are below. `npm ci --omit=dev` in a fresh copy of the package shows the same.',
        detail,
      );
  }
}

function notInstalled(message: string, hint: string, detail: string): BeamBridgeError {
  return new BeamBridgeError('PROGRAM_NOT_INSTALLED', message, { hint, detail });
}
