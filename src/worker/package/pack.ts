// SPDX-License-Identifier: Apache-2.0
// A program as a package of npm's, for workers that install what it depends on: native code, too, which is
// made for their machines. What travels is the folder as it is, with its lock file.

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { getLogger } from '../../base/index.ts';
import { type NpmFailure, npmPack } from '../../services/index.ts';
import type { Exported } from '../exported.ts';
import { checkLock, checkPackage, notPacked, packageOfModule } from './manifest.ts';
import { withFile } from './tarball.ts';

const log = getLogger('worker');

/** The lock file that npm packs, and takes from a package. */
export const SHRINKWRAP = 'npm-shrinkwrap.json';
const LOCK = 'package-lock.json';
/** Of files that are probably not meant to travel. Bytes. */
const LARGE = 200 * 2 ** 20;

/** A program as a tarball. */
export interface PackedProgram {
  /** The name of the package. */
  readonly package: string;
  readonly content: Uint8Array;
  readonly sha256: string;
  /** The module's path in the package, with slashes. */
  readonly entry: string;
}

/**
 * Packs the package that the module belongs to.
 *
 * @throws BeamBridgeError `PROGRAM_NOT_PACKED`; `WORKER_MISMATCH` when its lock file has another version of
 * this package
 */
export async function packProgram({ moduleUrl }: Exported): Promise<PackedProgram> {
  const path = fileURLToPath(moduleUrl);
  if (/\.[cm]?tsx?$/.test(path)) {
    throw notPacked(
      `${path} is TypeScript, which Node does not run in workers`,
      "Run the JavaScript that it is compiled to, and pack that. A bundle (workerProgram: 'bundle') may be TypeScript.",
    );
  }
  const found = packageOfModule(path);
  const { folder, manifest } = found;
  const entry = relative(folder, path).split(sep).join('/');
  const into = await mkdtemp(join(tmpdir(), 'beambridge-pack-'));
  try {
    const packed = await npmPack(folder, into);
    if ('why' in packed) throw packError(packed, folder);
    checkPackage(found, entry, packed.files);
    if (packed.bytes > LARGE) {
      log.warn(
        `${manifest.name} has ${Math.round(packed.bytes / 2 ** 20)} MiB of files, which all travel to workers: name what is needed in "files" of package.json`,
      );
    }
    const plain = await readFile(packed.tarball);
    const content = await withLock(plain, folder, packed.files);
    const sha256 = createHash('sha256').update(content).digest('hex');
    return { package: manifest.name, content, sha256, entry };
  } finally {
    await rm(into, { recursive: true, force: true });
  }
}

async function withLock(
  tarball: Uint8Array,
  folder: string,
  files: readonly string[],
): Promise<Uint8Array> {
  if (files.includes(SHRINKWRAP)) {
    checkLock(await readFile(join(folder, SHRINKWRAP), 'utf8'), SHRINKWRAP);
    return tarball;
  }
  const path = join(folder, LOCK);
  if (!existsSync(path)) {
    log.warn(
      `there is no ${LOCK} in ${folder}: workers install what package.json allows on their day, which may differ from what is here`,
    );
    return tarball;
  }
  const lock = await readFile(path);
  checkLock(lock.toString('utf8'), path);
  return withFile(tarball, `package/${SHRINKWRAP}`, lock);
}

function packError({ why, detail }: NpmFailure, folder: string) {
  return why === 'missing'
    ? notPacked(
        'the program cannot be packed: there is no npm on this machine',
        'Install npm, which comes with Node.',
        detail,
      )
    : notPacked(`npm cannot pack ${folder}`, 'What npm says is below.', detail);
}
