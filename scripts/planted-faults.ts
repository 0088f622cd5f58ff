// SPDX-License-Identifier: Apache-2.0
// `npm run planted-faults [-- NAME…]`: plants one fault after the other in a copy of the sources, and
// fails for each that the fuzzer, or the test that it names, does not find within a minute or two.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ensurePythonEnvironment } from '../src/services/index.ts';
import { FAULTS, type Fault } from '../test/fuzz/faults.ts';

const root = resolve(import.meta.dirname, '..');
const PARTS = ['src', 'test', 'proto', 'python-env', 'package.json', 'tsconfig.json'];

/** How the search ended: 1 when it found something. */
function search(copy: string, { by }: Fault) {
  const typescript = (...args: string[]) => ({
    program: process.execPath,
    args: ['--import', 'tsx', ...args],
    cwd: copy,
  });
  const { program, args, cwd } =
    'kind' in by
      ? typescript(
          'test/fuzz/main.ts',
          ...[`--kind=${by.kind}`, `--runner=${by.runner}`, '--seed=1', '--runs=200', '--raw'],
        )
      : 'test' in by
        ? typescript('--test', '--test-reporter=dot', by.test)
        : { program: python, args: ['-m', 'unittest', by.module], cwd: join(copy, 'python-env') };
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
  });
  const lines = `${stdout}${'module' in by ? stderr : ''}`.trim().split('\n');
  return { status, told: lines.slice(1, 7).join('\n').slice(0, 1500) };
}

function plant(copy: string, { file, from, to }: Fault): () => void {
  const path = join(copy, file);
  const before = readFileSync(path, 'utf8');
  if (before.split(from).length !== 2) throw new Error(`${file} has not once: ${from}`);
  writeFileSync(
    path,
    before.replace(from, () => to),
  );
  return () => writeFileSync(path, before);
}

const { python } = await ensurePythonEnvironment({ extras: ['sklearn'] });
const wanted = process.argv.slice(2);
const copy = mkdtempSync(join(tmpdir(), 'beambridge-faults-'));
const missed: string[] = [];
try {
  for (const part of PARTS) cpSync(join(root, part), join(copy, part), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  for (const fault of FAULTS) {
    if (wanted.length > 0 && !wanted.some((name) => fault.name.includes(name))) continue;
    const start = Date.now();
    const mend = plant(copy, fault);
    const { status, told } = search(copy, fault);
    mend();
    const seconds = ((Date.now() - start) / 1000).toFixed(0);
    console.log(`${status === 1 ? 'found' : 'MISSED'} in ${seconds} s: ${fault.name}\n${told}\n`);
    if (status !== 1) missed.push(fault.name);
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}
process.exitCode = missed.length > 0 ? 1 : 0;
