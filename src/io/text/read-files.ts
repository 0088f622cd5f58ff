// SPDX-License-Identifier: Apache-2.0
// From the patterns that a transform was given to the ranges that it reads: the beginning of every reader of files.

import { BeamBridgeError } from '../../base/index.ts';
import type { PCollection, Pipeline, Root, TransformNode } from '../../pipeline/index.ts';
import { impulse } from '../../transforms/index.ts';
import { type FileRange, type FindOptions, rangesOfAll } from './find-files.ts';
import { checkPattern, findFiles } from './patterns.ts';

/** How a transform reads files. */
export interface FileFinder {
  /** Where relative patterns begin: the folder that the program was in when it built the pipeline. */
  readonly cwd: string;
  readonly options: FindOptions;
  /**
   * Looks at files before any of them is read, and throws for what cannot be right.
   *
   * @param ranges - of all these paths; an empty file has none
   */
  inspect?(paths: readonly string[], ranges: readonly FileRange[]): Promise<void>;
}

/** Files that a transform reads. */
export interface FileSource extends FileFinder {
  readonly patterns: readonly string[];
}

/** @throws `INVALID_ARGUMENT`, `UNSUPPORTED` for what are no patterns of local files */
export function checkPatterns(
  transform: string,
  patterns: string | readonly string[],
): readonly string[] {
  const all = [patterns].flat().map((pattern) => checkPattern(pattern));
  if (all.length > 0) return all;
  throw new BeamBridgeError('INVALID_ARGUMENT', `${transform} was given no patterns`, {
    hint: "Pass a path or a pattern such as 'data/*.csv'.",
  });
}

/** The ranges of all files, found when the pipeline runs. */
export function rangesOfFiles(
  source: FileSource,
  root: Root,
  pipeline: Pipeline,
  node: TransformNode,
): PCollection<FileRange> {
  pipeline.addFileCheck(node, () => lookEarly(source));
  return root.apply(impulse()).flatMap(async function findRanges() {
    return rangesOfPaths(source, await pathsOf(source));
  });
}

/** The ranges of the files that patterns of a PCollection match, those of each pattern by themselves. */
export function rangesOfPatterns(
  finder: FileFinder,
  patterns: PCollection<string>,
): PCollection<FileRange> {
  const { cwd, options } = finder;
  return patterns.flatMap(async function findRanges(pattern) {
    const paths = await findFiles(
      checkPattern(pattern),
      cwd,
      options.allowEmptyMatch,
      options.stores,
    );
    return rangesOfPaths(finder, paths);
  });
}

async function rangesOfPaths(
  { inspect, options }: FileFinder,
  paths: readonly string[],
): Promise<FileRange[]> {
  const ranges = await rangesOfAll(paths, options);
  await inspect?.(paths, ranges);
  return ranges;
}

/** Of all the files only the first is looked into, for that an environment need not wait long. */
async function lookEarly(source: FileSource): Promise<void> {
  const first = (await pathsOf(source)).slice(0, 1);
  if (source.inspect) await source.inspect(first, await rangesOfAll(first, source.options));
}

async function pathsOf({ patterns, cwd, options }: FileSource): Promise<string[]> {
  const paths = new Set<string>();
  for (const pattern of patterns) {
    for (const path of await findFiles(pattern, cwd, options.allowEmptyMatch, options.stores))
      paths.add(path);
  }
  return [...paths];
}
