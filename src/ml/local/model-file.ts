// SPDX-License-Identifier: Apache-2.0
// The file or folder that a model was loaded from, and whether it is still that. A model that is kept goes on
// when another takes its place there, which must be said. Python's end has the same in
// beambridge_host/inference/model_cache.py.

import { type Dirent, readdirSync, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { getLogger } from '../../base/index.ts';

const log = getLogger('ml');

/** Time between two looks at one model's files. Milliseconds. */
const LOOK_MS = 1000;
/** Looks take this share of the time at most: a folder may be large, and on another machine. */
const LOOK_SHARE = 0.02;

/** So many files of a folder are looked at: one that is given as a path may be anything. */
const MOST_FILES = 1000;

/** By handler, the paths of which it was said: once is enough. */
const told = new WeakMap<object, Set<string>>();

interface Stat {
  readonly ino: number;
  readonly size: number;
  readonly mtimeMs: number;
  isDirectory(): boolean;
}

/** Where a model was loaded from. To be made before it is loaded: what comes in between is a change. */
export class ModelFile {
  /** By path what was there; nothing for what is no local path. */
  private readonly found: ReadonlyMap<string, string>;
  private nextLook = Date.now() + LOOK_MS;

  constructor(
    private readonly handler: object,
    private readonly path: string | undefined,
  ) {
    this.found = path ? marks(path) : new Map();
  }

  /** Warns, once for a path, when another model is there by now. Looks rarely, and is cheap in between. */
  async tellIfReplaced(): Promise<void> {
    const began = Date.now();
    if (this.found.size === 0 || began < this.nextLook) return;
    const paths = told.get(this.handler) ?? new Set();
    told.set(this.handler, paths);
    if (paths.has(this.path!)) return;
    // Those who use the model meanwhile do not look, too.
    this.nextLook = Infinity;
    const isReplaced = await this.isReplaced();
    const now = Date.now();
    this.nextLook = now + Math.max(LOOK_MS, (now - began) / LOOK_SHARE);
    if (!isReplaced || paths.has(this.path!)) return;
    paths.add(this.path!);
    log.warn(
      `the model at ${this.path} has changed since it was loaded, and the old one goes on: give each model a path of its own`,
    );
  }

  private async isReplaced(): Promise<boolean> {
    for (const [path, mark] of this.found) {
      const now = await stat(path).then(markOf, () => undefined);
      if (now !== mark) return true;
    }
    return false;
  }
}

/** What tells a file from another. What is put beside a folder's files, as loaders do with a cache, is no change. */
function markOf(found: Stat): string {
  return found.isDirectory() ? `${found.ino}` : `${found.ino} ${found.size} ${found.mtimeMs}`;
}

/** Those of a file, or of a folder and all files in it. */
function marks(path: string, into = new Map<string, string>()): Map<string, string> {
  try {
    const found = statSync(path);
    into.set(path, markOf(found));
    if (found.isDirectory()) addFiles(path, into);
  } catch {
    // Not there, or not for us to see: the loader tells.
  }
  return into;
}

function addFiles(folder: string, into: Map<string, string>): void {
  const entries: Dirent[] = readdirSync(folder, { withFileTypes: true });
  for (const entry of entries) {
    if (into.size >= MOST_FILES) return;
    const path = join(folder, entry.name);
    // A link to a folder may lead back.
    if (entry.isDirectory()) addFiles(path, into);
    else into.set(path, markOf(statSync(path)));
  }
}
