// SPDX-License-Identifier: Apache-2.0
// Whether this machine has a GPU that Python's frameworks can use.

import { execa } from 'execa';

/** Why there is no GPU to be used; nothing when there is one. */
export async function lackOfGpu(): Promise<string | undefined> {
  const found = await execa('nvidia-smi', ['--list-gpus'], { reject: false });
  if (found.code === 'ENOENT') return 'this machine has no nvidia-smi';
  return found.exitCode === 0 && found.stdout !== '' ? undefined : 'nvidia-smi lists none';
}
