// SPDX-License-Identifier: Apache-2.0
// Model updates: which model is current for a row, and how a packed batch says so.

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { BeamBridgeError, ByteReader, type ByteWriter, latin1 } from '../../base/index.ts';
import {
  type Coder,
  describeValue,
  deterministicForm,
  encodeValue,
  type Instant,
  JsCoder,
} from '../../coders/index.ts';

/** A model that takes the place of the one before it. */
export interface ModelMetadata<K = unknown> {
  /**
   * Where the model is: what the handler's `update_model_path` takes. A relative path starts from the
   * folder in which the program runs. Empty: the model that the handler was made with. Give each model a path of
   * its own: one that is kept is not loaded again when another takes its place.
   */
  modelPath: string;
  /** Its metrics are also counted under this name. @default none */
  modelName?: string | undefined;
  /** Only rows with one of these keys take the model. @default all rows */
  keys?: readonly K[] | undefined;
}

/** An update and when it takes effect. */
export interface TimedUpdate extends ModelMetadata {
  readonly at: Instant;
  /** Orders updates of one time. */
  readonly order: number;
}

/** What a batch says about one model. */
export interface Update {
  readonly path: string;
  readonly name: string;
}

/** The models that may score a row, newest first: an older one does when a newer cannot be loaded. */
export interface Models {
  /** The same for the same models. */
  readonly id: string;
  readonly updates: readonly Update[];
}

/** Without updates. */
export const OWN_MODEL: Models = { id: '', updates: [] };

/** So many models are tried for a row before the handler's own. */
const MOST_TRIED = 8;

/** Answers which model is current: the one of the latest update that is not after the row. */
export class CurrentModels {
  private readonly all: Timeline;
  private readonly byKey = new Map<string, Timeline>();
  /** The ids of the keys that each update is for; undefined for all rows. */
  private readonly keyIds: readonly (ReadonlySet<string> | undefined)[];
  private readonly hasKeys: boolean;

  /**
   * @param idOf - gives what equal keys have in common, and no others
   * @throws BeamBridgeError for an update whose key is of another type than the rows' keys
   */
  constructor(
    private readonly updates: readonly TimedUpdate[],
    private readonly idOf: (key: unknown) => string = keyIdBy(new JsCoder()),
  ) {
    this.keyIds = updates.map(({ keys }) => keys && new Set(keys.map(idOf)));
    this.hasKeys = this.keyIds.some((ids) => ids !== undefined);
    this.all = new Timeline(updates.filter(({ keys }) => keys === undefined));
  }

  /** The models for a row. */
  at(timestamp: Instant, key: unknown): Models {
    return (this.hasKeys ? this.of(key) : this.all).at(timestamp);
  }

  /** Undefined for a key that is not of its type, which is told when its row is packed. */
  private idOfRow(key: unknown): string | undefined {
    try {
      return this.idOf(key);
    } catch {
      return undefined;
    }
  }

  private of(key: unknown): Timeline {
    const id = this.idOfRow(key);
    if (id === undefined) return this.all;
    let timeline = this.byKey.get(id);
    if (!timeline) {
      const concerns = (_: TimedUpdate, i: number) => this.keyIds[i]?.has(id) ?? true;
      timeline = new Timeline(this.updates.filter(concerns));
      this.byKey.set(id, timeline);
    }
    return timeline;
  }
}

/** What keys that are equal under a coder have in common, as where they are grouped. */
export function keyIdBy(coder: Coder<unknown>): (key: unknown) => string {
  const deterministic = deterministicForm(coder) ?? coder;
  return (key) => latin1(encodeValue(deterministic, key, true));
}

/** Updates in the order in which they take effect. */
class Timeline {
  private readonly updates: readonly TimedUpdate[];
  private readonly found = new Map<number, Models>();

  constructor(updates: readonly TimedUpdate[]) {
    // Nothing of it depends on the order in which elements arrive.
    this.updates = [...updates].sort(
      (a, b) =>
        a.at - b.at ||
        a.order - b.order ||
        (a.modelPath < b.modelPath ? -1 : Number(a.modelPath > b.modelPath)),
    );
  }

  at(timestamp: Instant): Models {
    let low = 0;
    let high = this.updates.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.updates[middle]!.at <= timestamp) low = middle + 1;
      else high = middle;
    }
    let models = this.found.get(low);
    if (!models) {
      models = this.until(low);
      this.found.set(low, models);
    }
    return models;
  }

  private until(end: number): Models {
    const updates: Update[] = [];
    for (let i = end - 1; i >= 0 && updates.length < MOST_TRIED; i--) {
      const { modelPath: path, modelName: name = '' } = this.updates[i]!;
      // The handler's own model needs no update, and what is older is never asked.
      if (path === '') break;
      if (!updates.some((update) => update.path === path)) updates.push({ path, name });
    }
    return updates.length === 0 ? OWN_MODEL : { id: JSON.stringify(updates), updates };
  }
}

/**
 * An element of a PCollection of updates, checked.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT` for what is no update
 */
export function timedUpdate(given: ModelMetadata, at: Instant, order = 0): TimedUpdate {
  const { modelPath, modelName, keys } = (given ?? {}) as Partial<ModelMetadata>;
  const isName = modelName === undefined || typeof modelName === 'string';
  if (typeof modelPath !== 'string' || !isName || !(keys === undefined || Array.isArray(keys))) {
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `a model update is no { modelPath, modelName?, keys? }: ${describeValue(given)}`,
      {
        hint: "Give elements such as { modelPath: 'models/digits-2.pkl', modelName: 'digits 2' }.",
      },
    );
  }
  return { modelPath, modelName, keys, at, order };
}

/** A local path from the program's folder; what is none stays as it is. */
export function fromFolder(path: string, folder: string): string {
  if (path === '' || path.includes('://')) return path;
  const local = resolve(folder, path);
  // Some handlers take names of models to download.
  return path.startsWith('.') || existsSync(local) ? local : path;
}

/** The updates of a packed batch. */
export function writeUpdates(updates: readonly Update[], out: ByteWriter): void {
  for (const { path, name } of updates) {
    out.prefixedUtf8(path);
    out.prefixedUtf8(name);
  }
}

/** The other way. */
export function readUpdates(bytes: Uint8Array): Update[] {
  const input = new ByteReader(bytes);
  const updates: Update[] = [];
  while (input.remaining > 0) {
    updates.push({ path: input.prefixedUtf8(), name: input.prefixedUtf8() });
  }
  return updates;
}
