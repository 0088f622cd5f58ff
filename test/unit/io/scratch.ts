// SPDX-License-Identifier: Apache-2.0
// A folder for the files of one test file, removed at the end.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after } from 'node:test';

export const scratch = mkdtempSync(join(tmpdir(), 'beambridge-io-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** Writes a file below the folder and gives its path. */
export function file(name: string, contents: string | Uint8Array): string {
  const path = join(scratch, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, contents);
  return path;
}
