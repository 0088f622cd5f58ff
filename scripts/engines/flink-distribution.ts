// SPDX-License-Identifier: Apache-2.0
// Flink itself, as PyPI has it: the jars of a cluster, fetched once by pip, which checks their hash.

import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { Told } from './detached.ts';

/** The release that `scripts/flink.txt` names: of the newest line for which Beam has a job server everywhere. */
export const FLINK_RELEASE = '1.19.3';
const REQUIREMENTS = new URL('../flink.txt', import.meta.url).pathname;

/** The folder with `lib` and `bin` of Flink, below `folder`. */
export async function flinkDistribution(folder: string): Promise<string> {
  const whole = join(folder, `flink-${FLINK_RELEASE}`);
  if (existsSync(whole)) return whole;
  process.stderr.write(`flink-cluster: fetching Flink ${FLINK_RELEASE} (once, 230 MB)…\n`);
  await mkdir(dirname(whole), { recursive: true });
  const part = await mkdtemp(`${whole}.part-`);
  try {
    await tool('python3', [
      ...['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps'],
      ...[
        '--no-binary',
        ':all:',
        '--require-hashes',
        '--requirement',
        REQUIREMENTS,
        '--dest',
        part,
      ],
    ]);
    const [archive = ''] = (await readdir(part)).filter((name) => name.endsWith('.tar.gz'));
    const root = archive.slice(0, -'.tar.gz'.length);
    await tool('tar', [
      '-xzf',
      join(part, archive),
      '-C',
      part,
      `${root}/deps/lib`,
      `${root}/deps/bin`,
    ]);
    await rename(join(part, root, 'deps'), whole).catch((error: NodeJS.ErrnoException) => {
      // Somebody else was as fast.
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(part, { recursive: true, force: true });
  }
  return whole;
}

async function tool(command: string, args: readonly string[]): Promise<void> {
  const { failed, shortMessage, stderr } = await execa(command, args, {
    reject: false,
    stdin: 'ignore',
  });
  if (failed) {
    throw new Told(
      `Flink cannot be fetched: ${shortMessage}\n${stderr.split('\n').slice(-8).join('\n')}`,
    );
  }
}
