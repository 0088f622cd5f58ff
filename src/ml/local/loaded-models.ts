// SPDX-License-Identifier: Apache-2.0
// The models that are loaded in this process: each once, for all who use it at the same time.

import {
  type Asking,
  BeamBridgeError,
  getLogger,
  JointWork,
  NEVER_ABORTED,
  NO_TURN,
  type Turn,
  Turns,
  within,
} from '../../base/index.ts';
import type { TypeScriptModelHandler } from '../handlers/typescript.ts';
import { ModelFile } from './model-file.ts';

const log = getLogger('ml');

/** How long whoever loads a model waits for the one before it to be closed. */
const CLOSE_MS = 10_000;

type AnyHandler = TypeScriptModelHandler<never, unknown, unknown>;

interface Entry {
  readonly file: ModelFile;
  readonly loading: JointWork<unknown>;
  users: number;
  readonly turns: Turns;
  /** Whether a call of it does not come back, of a run that has ended: others have another one. */
  isLeft: boolean;
}

type ByUri<T> = Map<string | undefined, T>;
/** By handler, and by where the model is. */
const loaded = new WeakMap<AnyHandler, ByUri<Entry>>();
/** The models that are being closed, likewise. */
const closing = new WeakMap<AnyHandler, ByUri<Promise<void>>>();

/** A model in use. */
export interface LoadedModel {
  readonly model: unknown;
  /** Milliseconds that loading took; undefined for whoever found it loaded. */
  readonly loadMillis: number | undefined;
  /**
   * Waits for the model's attention; not where its handler is `concurrent`. Undefined when the model was left to a
   * call that does not come back: whoever acquires it then gets another one. See turns.ts.
   */
  turn(asking: Asking): Promise<Turn | undefined>;
  /** Whether it was left so. */
  isLeft(): boolean;
  /** Warns when another model is by now where this one was loaded from. */
  tellIfReplaced(): Promise<void>;
  /** Says that it is no longer used; the last to say so frees it. */
  release(): Promise<void>;
}

/**
 * The model of a handler, loaded unless it is there.
 *
 * @throws BeamBridgeError with the code that `loadModel` gave, else `MODEL_INVALID`; whatever `asking` is
 *   aborted with
 */
export async function acquireModel(
  handler: AnyHandler,
  modelUri: string | undefined = handler.modelUri,
  asking: Asking = NEVER_ABORTED,
): Promise<LoadedModel> {
  const began = performance.now();
  for (;;) {
    const { entry, isNew } = entryOf(handler, modelUri, asking);
    entry.users += 1;
    let isLoaded = false;
    try {
      isLoaded = await entry.loading.wait(asking);
    } finally {
      if (!isLoaded) leave(entry, handler, modelUri);
    }
    if (!isLoaded) continue;
    const model = await entry.loading.result;
    let isReleased = false;
    return {
      model,
      loadMillis: isNew ? performance.now() - began : undefined,
      turn: async (bundle) => {
        if (handler.concurrent) return NO_TURN;
        const turn = await entry.turns.take(bundle);
        if (!turn) leaveBehind(entry, handler, modelUri);
        return turn;
      },
      isLeft: () => entry.isLeft,
      tellIfReplaced: () => entry.file.tellIfReplaced(),
      release: async () => {
        if (isReleased) return;
        isReleased = true;
        if (leave(entry, handler, modelUri))
          await close(handler, modelUri, closeOne(handler, model));
      },
    };
  }
}

/** One that is loaded, or that somebody loads who waits for it; else a new one. */
function entryOf(handler: AnyHandler, modelUri: string | undefined, asking: Asking) {
  const models: ByUri<Entry> = loaded.get(handler) ?? new Map();
  loaded.set(handler, models);
  const existing = models.get(modelUri);
  if (existing && !existing.loading.isLost) return { entry: existing, isNew: false };
  const entry: Entry = {
    file: new ModelFile(handler, modelUri),
    loading: new JointWork(load(handler, modelUri), asking),
    users: 0,
    turns: new Turns({
      what: `the model of ${handler.name}`,
      because: 'the calls of a model follow each other unless it has concurrent: true',
      hint: 'Its calls follow each other, so that this one would wait for ever. Give it concurrent: true if each call gives new arrays.',
      room: 'ml',
    }),
    isLeft: false,
  };
  models.set(modelUri, entry);
  return { entry, isNew: true };
}

/** Whether nobody uses it any more. */
function leave(entry: Entry, handler: AnyHandler, modelUri: string | undefined): boolean {
  entry.users -= 1;
  if (entry.users > 0) return false;
  forget(entry, handler, modelUri);
  // Nobody waited until it was there.
  if (entry.loading.isUnderWay) {
    const closed = entry.loading.result.then(
      (model) => closeOne(handler, model),
      () => {},
    );
    void close(handler, modelUri, closed);
  }
  return true;
}

function forget(entry: Entry, handler: AnyHandler, modelUri: string | undefined): void {
  const models = loaded.get(handler);
  if (models?.get(modelUri) === entry) models.delete(modelUri);
}

function leaveBehind(entry: Entry, handler: AnyHandler, modelUri: string | undefined): void {
  forget(entry, handler, modelUri);
  if (entry.isLeft) return;
  entry.isLeft = true;
  log.warn(
    `a call of ${handler.name} does not come back, of a run that has ended: its model is loaded again beside it`,
  );
}

async function load(handler: AnyHandler, modelUri: string | undefined): Promise<unknown> {
  try {
    // Two of a large model may be too much, and what it holds, such as a file, may be held once.
    const before = closing.get(handler)?.get(modelUri);
    if (before) await settled(before, handler);
    return await handler.loadModel(modelUri);
  } catch (error) {
    if (error instanceof BeamBridgeError) throw error;
    const { message } = BeamBridgeError.from(error);
    const said = error instanceof Error ? error.message : message;
    throw new BeamBridgeError(
      'MODEL_INVALID',
      `the model of ${handler.name} could not be loaded: ${said}`,
      { cause: error },
    );
  }
}

/** One that does not end is that of a run which was left behind. */
async function settled(closed: Promise<void>, { name }: AnyHandler): Promise<void> {
  const isOver = await Promise.race([
    closed.then(() => true),
    within(CLOSE_MS, closed).then(() => false),
  ]);
  if (isOver) return;
  log.warn(
    `a loadModel or closeModel of ${name} does not end: its model is loaded again beside it`,
  );
}

/** Says what the next one waits for. */
function close(
  handler: AnyHandler,
  modelUri: string | undefined,
  work: Promise<void>,
): Promise<void> {
  const models: ByUri<Promise<void>> = closing.get(handler) ?? new Map();
  closing.set(handler, models);
  const closed = work.then(() => {
    if (models.get(modelUri) === closed) models.delete(modelUri);
  });
  models.set(modelUri, closed);
  return closed;
}

async function closeOne(handler: AnyHandler, model: unknown): Promise<void> {
  try {
    await handler.closeModel?.(model);
  } catch (error) {
    // Its predictions are out; freeing it badly must not undo them.
    log.warn(`closeModel of ${handler.name} failed`, error);
  }
}
