// SPDX-License-Identifier: Apache-2.0
// Where a job server keeps what programs send along for workers: in a folder for each job, which it
// removes with the job.

import { rmdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { getLogger, removeAtExit } from '../../base/index.ts';

const log = getLogger('services');

/**
 * A temporary folder that goes with this program; or one that stays with what is in it, as long as jobs may
 * want that; or a folder, or an address that Beam can write to, of somebody else.
 */
export type ArtifactFolder = 'while we run' | 'while jobs run' | { readonly folder: string };

/** The folder, and what is done once its job server has ended. */
export async function artifactFolder(engine: string, where: ArtifactFolder) {
  if (typeof where === 'object') return { folder: where.folder, tidyUp: async () => {} };
  const folder = await mkdtemp(path.join(tmpdir(), `beambridge-${engine}-`));
  if (where === 'while we run') {
    const keep = removeAtExit(folder);
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
