// SPDX-License-Identifier: Apache-2.0
// Model updates as a side input of the packing step, and a watched pattern as a source of them.

import { stat } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { BeamBridgeError, checkOptionNames, type OptionNames } from '../../base/index.ts';
import { type Coder, JsCoder, MIN_TIMESTAMP } from '../../coders/index.ts';
import { watchFiles } from '../../io/index.ts';
import { P, type PCollection, type Root, SideInputParam, withName } from '../../pipeline/index.ts';
import { coderOf, type SchemaType } from '../../schema/index.ts';
import {
  afterCount,
  combineGlobally,
  create,
  flatten,
  globalWindows,
  isGlobal,
  mapStep,
  repeatedly,
  timestampParam,
  windowInto,
} from '../../transforms/index.ts';
import {
  CurrentModels,
  fromFolder,
  keyIdBy,
  type ModelMetadata,
  type TimedUpdate,
  timedUpdate,
} from './updates.ts';

/** Options of {@link RunInference.withWatchedModel}. */
export interface WatchedModelOptions {
  /** Time between two looks, in milliseconds. @default 360,000, as in Python */
  intervalMs?: number | undefined;
  /** After how many milliseconds of running no more models are looked for. @default never */
  stopAfterMs?: number | undefined;
}

const OPTIONS: OptionNames<WatchedModelOptions> = { intervalMs: true, stopAfterMs: true };

/** Where updates come from. */
export type UpdateSource =
  | { readonly kind: 'updates'; readonly updates: PCollection<ModelMetadata> }
  | { readonly kind: 'watched'; readonly pattern: string; readonly options: WatchedModelOptions };

/** Updates that come into effect together. */
type Updates = readonly TimedUpdate[];

const updatesCoder = new JsCoder() as Coder<unknown> as Coder<Updates>;

/**
 * The updates as a side input.
 *
 * @param folder - where relative paths start from; undefined leaves paths as they are
 * @param key - the type of the rows' keys, under which those of updates are compared with them
 */
export function updatesSideInput(
  source: UpdateSource,
  root: Root,
  folder: string | undefined,
  key: SchemaType | undefined,
): SideInputParam<Updates, CurrentModels> {
  const updates = source.kind === 'updates' ? given(source.updates, folder) : watched(source, root);
  const idOf = key && keyIdBy(coderOf(key));
  return new SideInputParam(updates, (all) => new CurrentModels(all.flat(), idOf));
}

function given(
  updates: PCollection<ModelMetadata>,
  folder: string | undefined,
): PCollection<Updates> {
  const at = timestampParam();
  const time = (given: ModelMetadata, context: { at: typeof at }): Updates => {
    const update = timedUpdate(given, context.at.lookup());
    if (folder === undefined) return [update];
    return [{ ...update, modelPath: fromFolder(update.modelPath, folder) }];
  };
  const timed = updates.apply(mapStep('Updates', time, updatesCoder, { at }));
  if (!isGlobal(updates.node.windowing.windowFn)) return timed;
  if (updates.isBounded) return timed.apply(windowInto(globalWindows()));
  const first = updates.root().apply(create<Updates>([[NO_UPDATE]]));
  return soFar([first, timed]);
}

const NO_UPDATE = timedUpdate({ modelPath: '' }, MIN_TIMESTAMP);

/**
 * The updates so far, in the global window: each new one is a new pane with all of them, because an
 * older row may still come.
 *
 * @param updates - the first of them gives something in any case, since rows wait for the first pane
 */
function soFar(updates: PCollection<Updates>[]): PCollection<Updates> {
  return P(updates)
    .apply(flatten<Updates>())
    .apply(
      windowInto(globalWindows(), {
        trigger: repeatedly(afterCount(1)),
        accumulationMode: 'accumulating',
      }),
    );
}

/** A look at once that is the only one. */
const ONE_LOOK = { interval: 1, stopAfter: 1 };

/**
 * The files that match, each as an update from when it was found. Those that are there at first count
 * from the beginning of time, so that the newest of them is the first model.
 */
function watched(
  { pattern, options }: UpdateSource & { kind: 'watched' },
  root: Root,
): PCollection<Updates> {
  const began = Date.now();
  const { intervalMs: interval = 360_000, stopAfterMs: stopAfter } = options;
  const at = timestampParam();
  const read = async (path: string, context: { at: typeof at }): Promise<Updates> => {
    const written = await stat(path).then(({ mtimeMs }) => mtimeMs, missing);
    const update = { modelPath: path, modelName: basename(path, extname(path)) };
    return [timedUpdate(update, written <= began ? MIN_TIMESTAMP : context.at.lookup(), written)];
  };
  const files = root.apply(
    watchFiles(pattern, { interval, ...(stopAfter !== undefined && { stopAfter }) }),
  );
  // What is bounded is waited for as a whole: rows would wait for the last look of all.
  files.node.bounded = false;
  // Rows wait for a first look, which may find nothing.
  const first = root
    .apply(withName('FirstLook', watchFiles(pattern, ONE_LOOK)))
    .apply(mapStep('ReadFirst', read, updatesCoder, { at }))
    .apply(combineGlobally((a: Updates, b: Updates): Updates => [...a, ...b]))
    // Of no files at all, nothing is made.
    .apply(mapStep('First', (found?: Updates) => [NO_UPDATE, ...(found ?? [])], updatesCoder));
  return soFar([first, files.apply(mapStep('Read', read, updatesCoder, { at }))]);
}

/** A file that is gone again is an update that points to nothing. */
function missing(): number {
  return Number.MAX_SAFE_INTEGER;
}

/** @throws BeamBridgeError `INVALID_ARGUMENT` for what is no interval */
export function checkWatched(options: WatchedModelOptions): WatchedModelOptions {
  checkOptionNames('withWatchedModel', options, OPTIONS);
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || (typeof value === 'number' && value > 0)) continue;
    throw new BeamBridgeError('INVALID_ARGUMENT', `${name} is ${String(value)}`, {
      hint: 'Give a number of milliseconds above 0.',
    });
  }
  return options;
}
