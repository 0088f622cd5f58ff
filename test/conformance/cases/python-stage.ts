// SPDX-License-Identifier: Apache-2.0
// Transforms of this folder's Python files, found by the name of the function.

import { readFileSync } from 'node:fs';
import { type OutputType, pythonTransform } from '../../../src/external/index.ts';
import type { PCollection, PValue } from '../../../src/pipeline/index.ts';

type Outputs = Record<string, PCollection<unknown>>;

const sources = new Map<string, string>();

function sourceOf(file: string): string {
  const known = sources.get(file);
  if (known !== undefined) return known;
  const text = readFileSync(new URL(`../python/${file}.py`, import.meta.url), 'utf8');
  sources.set(file, text);
  return text;
}

/** A function from PCollections to PCollections. */
export function python<T>(file: string, name: string, output: OutputType<T>) {
  const source = `${sourceOf(file)}\n${name}`;
  return pythonTransform('__callable__', { source }, undefined, { output });
}

/** One whose output's type and windows are asked for while the pipeline is built. */
export function pythonAsync<T>(file: string, name: string) {
  const source = `${sourceOf(file)}\n${name}`;
  return pythonTransform<PCollection<number>, PCollection<T>>('__callable__', { source });
}

/** One with several outputs. */
export function pythonOutputs(
  file: string,
  name: string,
  outputs: Readonly<Record<string, OutputType>>,
) {
  const source = `${sourceOf(file)}\n${name}`;
  return pythonTransform<PValue, Outputs>('__callable__', { source }, undefined, { outputs });
}

/** A function that makes a transform of arguments. */
export function pythonMade<T>(
  file: string,
  name: string,
  args: Readonly<Record<string, unknown>>,
  output: OutputType<T>,
) {
  const source = `${sourceOf(file)}\n${name}`;
  return pythonTransform('__constructor__', { source, ...args }, undefined, { output });
}
