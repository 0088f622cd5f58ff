// SPDX-License-Identifier: Apache-2.0
// Where a job server keeps what programs send along for workers: in a folder for each job, which it
// removes with the job. Where a program was killed at once, its folder goes at the next start of such a server.

import { rmdirSync } from 'node:fs';
import { lstat, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { getLogger, removeAtExit } from '../../base/index.ts';
import { isRunning, ownIdentity, type ProcessIdentity } from '../process/identity.ts';

const log = getLogger('services');

/** Names the process that a folder goes with. The job server keeps what is staged in folders beside it. */
const OWNER = '.beambridge-owner';

/**
 * A temporary folder that goes with this program; or one that stays with what is in it, as long as jobs may
 * want that; or a folder, or an address that Beam can write to, of somebody else.
 */
export type ArtifactFolder = 'while we run' | 'while jobs run' | { readonly folder: string };

/** The folder, and what is done once its job server has ended. */
export async function artifactFolder(engine: string, where: ArtifactFolder) {
  if (typeof where === 'object') return { folder: where.folder, tidyUp: async () => {} };
  const prefix = `beambridge-${engine}-`;
  await removeLeft(prefix);
  const folder = await mkdtemp(path.join(tmpdir(), prefix));
  if (where === 'while we run') {
    const keep = removeAtExit(folder);
    await writeFile(path.join(folder, OWNER), JSON.stringify(ownIdentity())).catch((error) =>
      log.debug(`${folder} would stay if this program were killed: ${String(error)}`),
    );
    const tidyUp = async () => {
      await rm(folder, { recursive: true, force: true });
      // Not before: a program may end with the error of a job server that did not start.
      keep();
    };
    return { folder, tidyUp };
  }
  const ifEmpty = () => {
    try {
      rmdirSync(folder);
    } catch (error) {
      log.debug(`${folder} is kept for jobs that go on: ${String(error)}`);
    }
  };
  process.once('exit', ifEmpty);
  const tidyUp = async () => {
    process.off('exit', ifEmpty);
    ifEmpty();
  };
  return { folder, tidyUp };
}

/** Removes the folders of this user that name an owner, one of this machine, who lives no more. */
async function removeLeft(prefix: string): Promise<void> {
  const parent = tmpdir();
  const names = await readdir(parent).catch(() => []);
  for (const name of names.filter((each) => each.startsWith(prefix))) {
    const folder = path.join(parent, name);
    try {
      // What is another's may change under our hands, and may be a link.
      const entry = await lstat(folder);
      if (!entry.isDirectory() || entry.uid !== process.getuid?.()) continue;
      const text = await readFile(path.join(folder, OWNER), 'utf8');
      if (isRunning(JSON.parse(text) as ProcessIdentity) !== false) continue;
      await rm(folder, { recursive: true, force: true });
    } catch (error) {
      log.debug(`${folder} stays: ${String(error)}`);
    }
  }
}
