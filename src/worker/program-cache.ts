// SPDX-License-Identifier: Apache-2.0
// Programs on the disk, bundles and packages, named by their content: what was submitted from this machine or fetched by a worker
// once is there for the next worker. A file is whole when it has its name, and is hashed before it is used.

import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, open, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { BeamBridgeError, getLogger, makeFolders, removeAtExit } from '../base/index.ts';
import { cacheFolder } from '../services/index.ts';

const log = getLogger('worker');

/** Programs that are kept at least, and for how long. Milliseconds. */
const KEPT = 20;
const KEPT_FOR_MS = 24 * 3600_000;
/** What programs are called, and what was left of one that was being written. */
const PROGRAM = /^[0-9a-f]{64}\.(?:mjs|tgz)(?:\.[0-9a-f-]+\.tmp)?$/;

/** A bundle, or a package's tarball. */
export type ProgramType = 'mjs' | 'tgz';

/** Where programs are kept, and the name of the one with this SHA-256. */
export function programPath(
  sha256: string,
  folder = join(cacheFolder(), 'programs'),
  type: ProgramType = 'mjs',
): string {
  return join(folder, `${sha256}.${type}`);
}

/** The path of a program that is here, whole; undefined where it is not. */
export async function findProgram(sha256: string, type?: ProgramType): Promise<string | undefined> {
  const path = programPath(sha256, undefined, type);
  try {
    const found = createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
    if (found !== sha256) return undefined;
  } catch {
    return undefined;
  }
  const now = new Date();
  // A folder that is only read from does for that.
  await utimes(path, now, now).catch(() => {});
  return path;
}

/**
 * Writes a program and gives its path, once its content proved to be the one that is named.
 *
 * @param bytes - how many there are: more are not written
 * @throws BeamBridgeError `ARTIFACT_DAMAGED`; `IO_FAILED` when there is no place for it
 */
export async function keepProgram(
  {
    sha256,
    bytes,
    type,
  }: { readonly sha256: string; readonly bytes: number; readonly type?: ProgramType },
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<string> {
  const path = programPath(sha256, await writableFolder(), type);
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    const hash = createHash('sha256');
    let size = 0;
    const file = await open(temporary, 'wx', 0o600);
    try {
      for await (const chunk of chunks) {
        size += chunk.length;
        if (size > bytes) break;
        hash.update(chunk);
        await file.writeFile(chunk);
      }
    } finally {
      await file.close();
    }
    const found = hash.digest('hex');
    if (found !== sha256 || size > bytes) throw damaged(sha256, bytes, found, size);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await forgetOld(dirname(path), 'files');
  return path;
}

function damaged(sha256: string, bytes: number, found: string, size: number): BeamBridgeError {
  return new BeamBridgeError(
    'ARTIFACT_DAMAGED',
    `the program that this worker fetched is not the one that was submitted: ${
      size > bytes
        ? `it is longer than ${bytes} bytes`
        : `${size} of ${bytes} bytes, SHA-256 ${found}`
    }, not ${sha256}`,
    {
      hint: 'It was not run. Submit the pipeline again; if that does not help, look at what keeps the artifacts of this runner.',
    },
  );
}

/** The cache, or where that cannot be written a folder of this process. */
async function writableFolder(): Promise<string> {
  const folder = dirname(programPath(''));
  try {
    await makeFolders(folder, 0o700);
    const probe = join(folder, `.${randomUUID()}`);
    await (await open(probe, 'wx')).close();
    await rm(probe);
    return folder;
  } catch (error) {
    log.debug(`${folder} cannot be written (${String(error)})`);
  }
  try {
    const own = await mkdtemp(join(tmpdir(), 'beambridge-program-'));
    removeAtExit(own);
    return own;
  } catch (cause) {
    throw new BeamBridgeError(
      'IO_FAILED',
      `a program can be written neither to ${folder} nor to ${tmpdir()}`,
      {
        cause,
        hint: 'Set BEAMBRIDGE_HOME or TMPDIR to a folder that can be written.',
      },
    );
  }
}

/**
 * Removes what nobody used for long, and never the latest ones: of programs the files alone, or the folders that
 * packages are installed in. Whatever else lies there is another's: `packages` lies among the programs, and its
 * own time says nothing of the packages inside.
 */
export async function forgetOld(folder: string, kind: 'files' | 'folders'): Promise<void> {
  try {
    const found = await Promise.all(
      (await readdir(folder)).map(async (name) => {
        const path = join(folder, name);
        const entry = await stat(path).catch(() => undefined);
        const isOne =
          kind === 'files' ? entry?.isFile() && PROGRAM.test(name) : entry?.isDirectory();
        return entry && isOne ? [{ path, used: entry.mtimeMs }] : [];
      }),
    );
    const old = found
      .flat()
      .sort((a, b) => b.used - a.used)
      .slice(KEPT);
    for (const { path, used } of old) {
      if (Date.now() - used > KEPT_FOR_MS) await rm(path, { recursive: true, force: true });
    }
  } catch (error) {
    // Another process may tidy up here at the same time.
    log.debug(`${folder} was not tidied up (${String(error)})`);
  }
}
