// SPDX-License-Identifier: Apache-2.0
// The models that are loaded in this process: each once, for all who use it at the same time.

import { BeamBridgeError, getLogger, within } from '../../base/index.ts';
import type { TypeScriptModelHandler } from '../handlers/typescript.ts';
import { ModelFile } from './model-file.ts';
import { type Asking, NO_TURN, type Turn, Turns } from './turns.ts';

const log = getLogger('ml');

/** How long whoever loads a model waits for the one before it to be closed. */
const CLOSE_MS = 10_000;

type AnyHandler = TypeScriptModelHandler<never, unknown, unknown>;

interface Entry {
  readonly file: ModelFile;
  readonly model: Promise<unknown>;
  users: number;
  readonly turns: Turns;
}

/** By handler, and by where the model is. */
const loaded = new WeakMap<AnyHandler, Map<string | undefined, Entry>>();
/** The models that are being closed, likewise. */
const closing = new WeakMap<AnyHandler, Map<string | undefined, Promise<void>>>();

/** A model in use. */
export interface LoadedModel {
  readonly model: unknown;
  /** Milliseconds that loading took; undefined for whoever found it loaded. */
  readonly loadMillis: number | undefined;
  /** Waits for the model's attention; not where its handler is `concurrent`. See turns.ts. */
  turn(asking: Asking): Promise<Turn>;
  /** Warns when another model is by now where this one was loaded from. */
  tellIfReplaced(): Promise<void>;
  /** Says that it is no longer used; the last to say so frees it. */
  release(): Promise<void>;
}

/**
 * The model of a handler, loaded unless it is there.
 *
 * @throws BeamBridgeError with the code that `loadModel` gave, else `MODEL_INVALID`
 */
export async function acquireModel(
  handler: AnyHandler,
  modelUri: string | undefined = handler.modelUri,
): Promise<LoadedModel> {
  const models = loaded.get(handler) ?? new Map<string | undefined, Entry>();
  loaded.set(handler, models);
  const began = performance.now();
  const existing = models.get(modelUri);
  const entry = existing ?? {
    file: new ModelFile(handler, modelUri),
    model: load(handler, modelUri),
    users: 0,
    turns: new Turns(`the model of ${handler.name}`),
  };
  models.set(modelUri, entry);
  entry.users += 1;
  const leave = () => {
    entry.users -= 1;
    const isLast = entry.users === 0;
    if (isLast && models.get(modelUri) === entry) models.delete(modelUri);
    return isLast;
  };
  try {
    const model = await entry.model;
    let isReleased = false;
    return {
      model,
      loadMillis: existing ? undefined : performance.now() - began,
      turn: async (asking) => (handler.concurrent ? NO_TURN : entry.turns.take(asking)),
      tellIfReplaced: () => entry.file.tellIfReplaced(),
      release: async () => {
        if (isReleased) return;
        isReleased = true;
        if (leave()) await close(handler, modelUri, model);
      },
    };
  } catch (error) {
    leave();
    throw error;
  }
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
  if (!isOver) log.warn(`closeModel of ${name} does not end: its model is loaded again beside it`);
}

function close(handler: AnyHandler, modelUri: string | undefined, model: unknown): Promise<void> {
  const models = closing.get(handler) ?? new Map<string | undefined, Promise<void>>();
  closing.set(handler, models);
  const closed = closeOne(handler, model).then(() => {
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
