// SPDX-License-Identifier: Apache-2.0
// In which ways an environment may be installed. First as it is pinned; where a user's own version
// contradicts a pin, the extras that hold that pin are installed by name, the rest of them as pinned if
// that fits, else at whatever versions fit.

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { nameOf } from './classify.ts';
import { constraintsOf, type Requirements } from './requirements.ts';

/** One way to install an environment. */
export interface InstallPlan {
  /** Paths of hashed requirements files that are installed as they are. */
  readonly files: readonly string[];
  /** What is installed together with the user's packages, as pip takes it. */
  readonly names: readonly string[];
  /** Versions that nothing may contradict. */
  readonly constraints: string;
}

/** Distributions that hold the same modules as one of ours, in its place. */
const STAND_INS: Readonly<Record<string, string>> = {
  'onnxruntime-gpu': 'onnxruntime',
  'tensorflow-cpu': 'tensorflow',
  'tensorrt-cu12': 'tensorrt',
  'tensorrt-cu13': 'tensorrt',
};

/** Everything else is made for it. */
const BEAM = 'apache-beam';

/** The ways, the best first; one, unless a user's package is one of those that are pinned. */
export async function installPlans(requirements: Requirements): Promise<InstallPlan[]> {
  const { files, texts, packages } = requirements;
  const own = broughtBy(packages);
  const pinned = texts.map((text) => new Set(pinsOf(text).map(nameOf)));
  const affected = pinned.map((names) => [...names].some((name) => own.has(name)));
  const asPinned: InstallPlan = { files, names: [], constraints: constraintsOf(texts) };
  if (!affected.includes(true)) return [asPinned];

  const names = new Map<string, string>();
  for (const [i, file] of files.entries()) {
    for (const line of affected[i] || i === 0 ? await namesOf(file) : []) {
      if (!own.has(nameOf(line))) names.set(nameOf(line), line);
    }
  }
  const without = (some: readonly string[]) =>
    `${pinsOf(constraintsOf(some))
      .filter((pin) => !own.has(nameOf(pin)))
      .join('\n')}\n`;
  const kept = files.filter((_, i) => !affected[i]);
  const others = texts.filter((_, i) => !affected[i] || path.basename(files[i]!) === 'base.txt');
  const changed = (constraints: string) => ({
    files: kept,
    names: [...names.values()],
    constraints,
  });
  const plans = [changed(without(texts)), changed(without(others))];
  return hasStandIn(packages) ? plans : [asPinned, ...plans];
}

/** Names of the distributions that packages of a user's bring, or hold the modules of. Never Beam. */
export function broughtBy(packages: readonly string[]): Set<string> {
  const own = new Set(packages.map(packageName));
  for (const [standIn, name] of Object.entries(STAND_INS)) if (own.has(standIn)) own.add(name);
  own.delete(BEAM);
  return own;
}

function hasStandIn(packages: readonly string[]): boolean {
  return packages.some((spec) => packageName(spec) in STAND_INS);
}

/** The lines of a requirements file that pin something. */
function pinsOf(text: string): string[] {
  return text.split('\n').filter((line) => /^[A-Za-z0-9]/.test(line));
}

/** What a pinned file was made from. */
async function namesOf(file: string): Promise<string[]> {
  const text = await readFile(file.replace(/\.txt$/, '.in'), 'utf8');
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

/** The name in `name==1.0`, `name[extra]>=2`, `name @ …` or of a wheel, as PyPI compares names. */
function packageName(spec: string): string {
  const wheel = /([^/]+?)-[^/]*\.(?:whl|tar\.gz)$/.exec(spec);
  return nameOf(wheel?.[1] ?? spec);
}
