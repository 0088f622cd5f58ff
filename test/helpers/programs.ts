// SPDX-License-Identifier: Apache-2.0
// Programs against the sources, in Node processes of their own: how they end is the test.

import { execFile, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** A file of src, as an import names it. */
export const source = (path: string) =>
  JSON.stringify(fileURLToPath(new URL(`../../src/${path}`, import.meta.url)));

const evaluating = (code: string) => ['--import', 'tsx', '--input-type=module', '--eval', code];

export function ends(code: string) {
  return spawnSync(process.execPath, evaluating(code), { encoding: 'utf8' });
}

export function endsBesideOthers(code: string) {
  return new Promise<{ status: number | null; stdout: string; stderr: string }>((resolve) => {
    const child = execFile(process.execPath, evaluating(code), (_, stdout, stderr) =>
      resolve({ status: child.exitCode, stdout, stderr }),
    );
  });
}
