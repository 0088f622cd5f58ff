// SPDX-License-Identifier: Apache-2.0
// Kills a random process of a run at a random moment, again and again, and looks at what is left:
// the output is whole or not there, no process is left after ten seconds, and in the temporary folder
// nothing but what docs/security.md says. With 300 runs it takes about half an hour.
//
//   npm run kill-runs -- [--runs=20] [--seed=1] [--runner=node|direct] [--format=text|csv|json|parquet|avro]

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { formats, linesOf } from '../test/fixtures/programs/lines-job.ts';
import { kill, marked, numbers } from './killing.ts';

const PROGRAM = resolve(import.meta.dirname, '../test/fixtures/programs/lines-job.ts');
const LINES = 20_000;
const ALL_GONE_MS = 10_000;
/** What a killed run may leave in the temporary folder: its host's folder, until the next host's start. */
const MAY_STAY = /^(beambridge-host-|tsx-|node-compile-cache)/;

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    runner: { type: 'string' },
    format: { type: 'string' },
  },
});

async function ended(child: ChildProcess, ms: number): Promise<boolean> {
  const since = Date.now();
  while (child.exitCode === null && child.signalCode === null) {
    if (Date.now() - since > ms) return false;
    await delay(50);
  }
  return true;
}

/** What is wrong with the output: it is there in part, or holds something else. */
async function wrongOutput(
  folder: string,
  format: string,
  expected: string,
): Promise<string | undefined> {
  const shards = readdirSync(folder).filter((name) => !name.startsWith('.'));
  if (shards.length === 0) return undefined;
  if (shards.length !== 3) return `${shards.length} shards of 3`;
  try {
    const lines = await linesOf(format, join(folder, 'part'));
    const all = lines.sort().join('\n');
    return all === expected ? undefined : `another content (${lines.length} lines)`;
  } catch (error) {
    return `no such file: ${(error as Error).message}`;
  }
}

const random = numbers(Number(options.seed));
const home = mkdtempSync(join(tmpdir(), 'beambridge-kills-'));
const input = join(home, 'in.txt');
const lines = Array.from({ length: LINES }, (_, index) => `${index} ${'x'.repeat(index % 50)}`);
writeFileSync(input, `${lines.join('\n')}\n`);
const expected = lines
  .map((line) => `${[...line].reverse().join('')}!`)
  .sort()
  .join('\n');

function start(
  runner: string,
  output: string,
  format: string,
  temporary: string,
  mark: string,
): ChildProcess {
  const [name = '', value = ''] = mark.split('=');
  return spawn(process.execPath, ['--import', 'tsx', PROGRAM, runner, input, output, format], {
    env: { ...process.env, TMPDIR: temporary, [name]: value },
    stdio: 'ignore',
  });
}

const wanted = options.format ? [options.format] : formats;
if (!wanted.every((format) => formats.includes(format))) {
  console.error(`there is no format ${options.format}: ${formats.join(', ')}`);
  process.exit(2);
}

/** Longest time from the start of a run to its kill, by runner: what a run takes that nobody disturbs. */
const latest = new Map<string, number>();
for (const runner of options.runner ? [options.runner] : ['node', 'direct']) {
  const since = Date.now();
  const mark = 'BEAMBRIDGE_KILLED_RUN=none';
  const child = start(runner, join(home, `whole-${runner}`), wanted[0]!, home, mark);
  if (!(await ended(child, 120_000)) || child.exitCode !== 0) {
    console.error(`a run on ${runner} does not succeed even when nothing is killed`);
    process.exit(1);
  }
  latest.set(runner, Date.now() - since);
}

const counts = { whole: 0, none: 0, early: 0 };
const victims = new Map<string, number>();
const faults: string[] = [];
const runs = Number(options.runs);
for (let run = 0; run < runs; run++) {
  const runner = options.runner ?? (run % 2 === 0 ? 'node' : 'direct');
  const place = join(home, `${run}`);
  const [temporary, out] = [join(place, 'tmp'), join(place, 'out')];
  for (const folder of [temporary, out]) mkdirSync(folder, { recursive: true });
  const mark = `BEAMBRIDGE_KILLED_RUN=${basename(home)}-${run}.`;
  const format = wanted[Math.floor(run / 2) % wanted.length]!;
  const child = start(runner, join(out, 'part'), format, temporary, mark);
  await delay(random() * (latest.get(runner) ?? 0));
  const alive = marked(mark);
  const victim = alive[Math.floor(random() * alive.length)];
  if (victim) kill(victim.pid);
  else counts.early++;
  const kind = victim ? (/node |sh |python/.exec(victim.command)?.[0].trim() ?? 'other') : 'none';
  victims.set(kind, (victims.get(kind) ?? 0) + 1);
  const what = `run ${run} on ${runner}, ${format}, killed: ${victim?.command.slice(0, 60) ?? 'nothing'}`;
  if (!(await ended(child, 60_000))) {
    faults.push(`${what}: the program hangs`);
    child.kill('SIGKILL');
  }
  const since = Date.now();
  while (marked(mark).length > 0 && Date.now() - since < ALL_GONE_MS) await delay(100);
  for (const left of marked(mark)) {
    faults.push(`${what}: ${left.command.slice(0, 60)} is left`);
    kill(left.pid);
  }
  const wrong = await wrongOutput(out, format, expected);
  if (wrong) faults.push(`${what}: ${wrong}`);
  else counts[readdirSync(out).some((file) => !file.startsWith('.')) ? 'whole' : 'none']++;
  const hidden = readdirSync(out).filter((file) => file.startsWith('.'));
  // Only a program that was killed itself can leave its hidden folder beside the output.
  if (hidden.length > 0 && child.signalCode !== 'SIGKILL') {
    faults.push(`${what}: ${hidden.join(', ')} is left beside the output`);
  }
  const stays = existsSync(temporary) ? readdirSync(temporary) : [];
  const strange = stays.filter((file) => !MAY_STAY.test(file));
  if (strange.length > 0) faults.push(`${what}: ${strange.join(', ')} in the temporary folder`);
  rmSync(place, { recursive: true, force: true });
}
rmSync(home, { recursive: true, force: true });
const killed = [...victims].map(([kind, count]) => `${count} ${kind}`).join(', ');
console.log(`${runs} runs (killed: ${killed}): ${counts.whole} outputs whole, ${counts.none} none`);
for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exit(1);
