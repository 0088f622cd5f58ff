// SPDX-License-Identifier: Apache-2.0
// Real text for benchmarks: the docstrings of the managed environment's Python packages. Nothing
// needs to be downloaded for it, and the same packages give the same text.

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { execa } from 'execa';

const DOCSTRING = /"""(.*?)"""/gs;

/** About `bytes` of text in `file`, which is left alone if it is there. @param python - whose packages */
export async function writeText(file: string, bytes: number, python: string): Promise<void> {
  if (existsSync(file)) return;
  const script = 'import sysconfig; print(sysconfig.get_path("purelib"))';
  const { stdout: packages } = await execa(python, ['-c', script]);
  const docstrings = readdirSync(packages, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.py'))
    .sort()
    .flatMap((name) => textsOf(readFileSync(join(packages, name), 'utf8')));
  if (docstrings.length === 0) throw new Error(`no docstrings in ${resolve(packages)}`);
  const out: string[] = [];
  for (let left = bytes, i = 0; left > 0; i = (i + 1) % docstrings.length) {
    out.push(docstrings[i]!);
    left -= Buffer.byteLength(docstrings[i]!) + 1;
  }
  writeFileSync(file, `${out.join('\n')}\n`);
}

function textsOf(source: string): string[] {
  return [...source.matchAll(DOCSTRING)].map(([, text = '']) => text.trim()).filter(Boolean);
}
