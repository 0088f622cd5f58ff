// SPDX-License-Identifier: Apache-2.0
// How the code of a thread is found, and what must be loaded before it so that programs in TypeScript run there.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BeamBridgeError, CODE_FOLDER } from '../../base/index.ts';

const ENTRY = join(CODE_FOLDER, 'worker', 'thread-entry');

/**
 * The module that a thread runs.
 *
 * @throws BeamBridgeError `WORKER_START_FAILED` for a program whose bundle has this package's code in it
 */
export function threadEntry(): string {
  const path = ['.js', '.ts'].map((type) => ENTRY + type).find((one) => existsSync(one));
  if (path !== undefined) return pathToFileURL(path).href;
  throw new BeamBridgeError(
    'WORKER_START_FAILED',
    'the files of this package are not beside the program, which threads need',
    {
      hint: 'Bundle the program without beambridge (esbuild: --packages=external), or run it with nodeWorkers: 1.',
    },
  );
}

/**
 * What has a function `register` to be called in a thread. Node runs `--import` in threads, too, but tsx then
 * leaves them alone.
 */
export function loadersOfThreads(execArgv = process.execArgv): string[] {
  const values = execArgv.flatMap((flag, i) => {
    const [name = '', attached] = flag.split(/=(.*)/s, 2);
    return name === '--import' || name === '--loader' ? [attached ?? execArgv[i + 1] ?? ''] : [];
  });
  const inOptions = /--import[= ](\S*tsx\S*)/.exec(process.env.NODE_OPTIONS ?? '')?.[1];
  const tsx = [...values, inOptions ?? ''].find((value) => /(?:^|[\\/])tsx(?:$|[\\/])/.test(value));
  if (tsx === undefined) return [];
  const from = tsx.startsWith('file:') ? tsx : pathToFileURL(join(process.cwd(), 'program')).href;
  // What is imported finds its own parts; what is required does not.
  const api = createRequire(from)
    .resolve('tsx/esm/api')
    .replace(/\.cjs$/, '.mjs');
  return [pathToFileURL(api).href];
}
