// SPDX-License-Identifier: Apache-2.0
// Which of a handler's models scores a batch: the newest update that can be loaded, else the
// handler's own. Python's end has the same rule, in beambridge_host/inference/model_cache.py.

import { type Asking, getLogger, NEVER_ABORTED } from '../../base/index.ts';
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
  async setUp(asking: Asking = NEVER_ABORTED): Promise<LoadedModel> {
    this.own = await acquireModel(this.handler, this.handler.modelUri, asking);
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
   * @throws whatever `asking` is aborted with
   */
  async choose(
    paths: readonly string[],
    failed: () => void,
    asking: Asking = NEVER_ABORTED,
  ): Promise<ChosenModel> {
    for (const path of paths) {
      if (path === '') break;
      const tried = this.failedAt.get(path);
      if (tried !== undefined && performance.now() - tried < RETRY_MS) continue;
      try {
        return await this.chosen(path, asking, async (model) => {
          await this.keep(path, asking);
          await model.tellIfReplaced();
        });
      } catch (error) {
        const aborted = asking.aborted();
        if (aborted) throw aborted;
        failed();
        if (tried === undefined) {
          log.warn(`model update ${path} cannot be loaded, the model before it goes on`, error);
        }
        this.failedAt.set(path, performance.now());
      }
    }
    return this.chosen(this.handler.modelUri, asking, () => this.renewOwn(asking));
  }

  private async chosen(
    modelUri: string | undefined,
    asking: Asking,
    keep: (model: LoadedModel) => Promise<void>,
  ): Promise<ChosenModel> {
    const model = await acquireModel(this.handler, modelUri, asking);
    try {
      await keep(model);
    } catch (error) {
      await model.release();
      throw error;
    }
    return { ...model, modelUri };
  }

  /** Keeps another one in the place of the handler's own, where that was left behind. */
  private async renewOwn(asking: Asking): Promise<void> {
    const { own } = this;
    if (!own?.isLeft()) return;
    const other = await acquireModel(this.handler, this.handler.modelUri, asking);
    // Another batch may have done so meanwhile, or all is over.
    const isFirst = this.own === own;
    if (isFirst) this.own = other;
    await (isFirst ? own : other).release();
  }

  /** Keeps the models used last from being freed between batches. */
  private async keep(path: string, asking: Asking): Promise<void> {
    const usable = (model: LoadedModel | undefined) => (model?.isLeft() ? undefined : model);
    const model = usable(this.kept.get(path)) ?? (await acquireModel(this.handler, path, asking));
    const earlier = this.kept.get(path);
    // Another batch may have kept it meanwhile.
    const kept = usable(earlier) ?? model;
    this.kept.delete(path);
    this.kept.set(path, kept);
    for (const other of new Set([earlier, model])) {
      if (other && other !== kept) await other.release();
    }
    for (const [oldest, model] of this.kept) {
      if (this.kept.size <= MOST_KEPT) return;
      this.kept.delete(oldest);
      await model.release();
    }
  }
}
