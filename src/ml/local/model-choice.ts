// SPDX-License-Identifier: Apache-2.0
// Which of a handler's models scores a batch: the newest update that can be loaded, else the
// handler's own. Python's end has the same rule, in beambridge_host/inference/model_cache.py.

import { getLogger } from '../../base/index.ts';
import type { TypeScriptModelHandler } from '../handlers/typescript.ts';
import { acquireModel, type LoadedModel } from './loaded-models.ts';

const log = getLogger('ml');

type AnyHandler = TypeScriptModelHandler<never, unknown, unknown>;

/** Updated models that stay loaded: the current one, and the one before it for rows that come late. */
const MOST_KEPT = 2;
/** A model that could not be loaded may be there later. */
const RETRY_MS = 60_000;

/** A model for one batch. */
export interface ChosenModel extends LoadedModel {
  readonly modelUri: string | undefined;
}

export class ModelChoice {
  private own: LoadedModel | undefined;
  private readonly kept = new Map<string, LoadedModel>();
  private readonly failedAt = new Map<string, number>();

  constructor(private readonly handler: AnyHandler) {}

  /** Loads the handler's own model. */
  async setUp(): Promise<LoadedModel> {
    this.own = await acquireModel(this.handler);
    return this.own;
  }

  /** Lets go of all. */
  async tearDown(): Promise<void> {
    const all = [...this.kept.values(), ...(this.own ? [this.own] : [])];
    this.kept.clear();
    this.own = undefined;
    await Promise.all(all.map((model) => model.release()));
  }

  /**
   * The first of these models that can be loaded, to be released after use.
   *
   * @param paths - newest first; empty stands for the handler's own
   * @param failed - called for each that cannot be loaded
   */
  async choose(paths: readonly string[], failed: () => void): Promise<ChosenModel> {
    for (const path of paths) {
      if (path === '') break;
      const tried = this.failedAt.get(path);
      if (tried !== undefined && Date.now() - tried < RETRY_MS) continue;
      try {
        const model = await acquireModel(this.handler, path);
        await this.keep(path);
        await model.tellIfReplaced();
        return { ...model, modelUri: path };
      } catch (error) {
        failed();
        if (tried === undefined) {
          log.warn(`model update ${path} cannot be loaded, the model before it goes on`, error);
        }
        this.failedAt.set(path, Date.now());
      }
    }
    return { ...(await acquireModel(this.handler)), modelUri: this.handler.modelUri };
  }

  /** Keeps the models used last from being freed between batches. */
  private async keep(path: string): Promise<void> {
    const model = this.kept.get(path) ?? (await acquireModel(this.handler, path));
    const earlier = this.kept.get(path);
    this.kept.delete(path);
    this.kept.set(path, earlier ?? model);
    // Another batch may have kept it meanwhile.
    if (earlier && earlier !== model) await model.release();
    for (const [oldest, model] of this.kept) {
      if (this.kept.size <= MOST_KEPT) return;
      this.kept.delete(oldest);
      await model.release();
    }
  }
}
