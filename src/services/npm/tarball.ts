// SPDX-License-Identifier: Apache-2.0
// A tarball unpacked by the `tar` that every machine has.

import { runTool } from '../process/run-tool.ts';

/** Unpacks without the folder that npm has around a package. @returns nothing, or why it failed */
export async function unpackTarball(
  tarball: string,
  folder: string,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const args = ['-xzf', tarball, '-C', folder, '--strip-components=1', '--no-same-owner'];
  const { ok, missing, output } = await runTool('tar', args, { signal });
  if (ok) return undefined;
  return missing ? 'there is no command tar on this machine' : output;
}
