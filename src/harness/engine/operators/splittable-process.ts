// SPDX-License-Identifier: Apache-2.0
// A splittable DoFn's `process`, on one element and restriction at a time. What it leaves, because
// it asked to be called again or because the runner took the rest, becomes a residual; where the runner would
// not go on with that, it is gone on with here, before the bundle ends.

import { setTimeout as delay } from 'node:timers/promises';
import { BeamBridgeError, yieldIfDue } from '../../../base/index.ts';
import type { Window, WindowedValue } from '../../../coders/index.ts';
import { type AnySplittableDoFn, ProcessContinuation } from '../../../pipeline/index.ts';
import type { DoFnInstance } from '../do-fn-instances.ts';
import { giveUp } from '../give-up.ts';
import { hush } from '../hush.ts';
import { type MonitoringInfo, workProgress } from '../metrics.ts';
import { type ElementSplit, withValue } from '../operator.ts';
import type { BundleScope } from '../scope.ts';
import { isThenable } from '../types.ts';
import { unwrap } from '../unwrap.ts';
import { DoFnOperator } from './do-fn.ts';
import type { ParDoParts } from './par-do.ts';
import { type ElementParts, RestrictionRun } from './restriction-run.ts';
import { type Sized, truncate } from './splittable-steps.ts';

/** Outputs between looks at the clock. */
const OUTPUTS_PER_LOOK = 64;

/** Where what is left of an element goes. */
export interface SplittableWiring {
  readonly doFn: AnySplittableDoFn;
  /** Whether what `process` leaves is gone on with here: no runner takes it, or splits it off. */
  readonly goesOn: boolean;
  readonly scope: BundleScope;
  readonly parts: ElementParts;
}

export class SplittableProcess extends DoFnOperator {
  readonly ownsInput = true;
  private run: RestrictionRun | undefined;
  /** Windows of the current element that `process` was not called for yet. */
  private waiting: (readonly Window[])[] = [];
  private done: Window[] = [];
  private given: WindowedValue<unknown> | undefined;

  constructor(
    parts: ParDoParts,
    instance: DoFnInstance,
    private readonly wiring: SplittableWiring,
  ) {
    super(parts, instance);
  }

  override async startBundle(): Promise<void> {
    this.forget();
    await super.startBundle();
  }

  override async process(element: WindowedValue<unknown>): Promise<void> {
    const { windows } = element;
    this.given = element;
    this.done = [];
    this.waiting = this.context.observesWindows ? windows.map((window) => [window]) : [windows];
    for (let next = this.waiting.shift(); next; next = this.waiting.shift()) {
      await this.processOne(element.value, { ...element, windows: next });
      this.done.push(...next);
    }
    this.forget();
  }

  override processValue(value: unknown, from: WindowedValue<unknown>): Promise<void> {
    return this.process(withValue(from, value));
  }

  private forget(): void {
    this.run = undefined;
    this.given = undefined;
    this.waiting = [];
  }

  protected override async call(_: unknown, given: WindowedValue<unknown>): Promise<void> {
    const { scope, goesOn } = this.wiring;
    let element = scope.io.isDraining?.() ? await this.truncated(given) : given;
    try {
      while (element) element = await this.part(element, goesOn);
    } finally {
      this.run = undefined;
    }
  }

  /** One call of `process`; what is left for another one here. */
  private async part(
    element: WindowedValue<unknown>,
    goesOn: boolean,
  ): Promise<WindowedValue<unknown> | undefined> {
    const { scope, doFn, parts } = this.wiring;
    const run = this.guarded(() => new RestrictionRun(doFn, element, parts));
    this.run = run;
    const ended = await this.drive(run);
    // What is left of an aborted bundle is nobody's business.
    if (scope.aborted) throw scope.aborted;
    if (!goesOn) {
      const residual = this.guarded(() => run.finish(ended));
      if (residual) scope.residuals.push(residual);
      return undefined;
    }
    const rest = this.guarded(() => run.finishHere(ended));
    if (!rest) return undefined;
    const { signal } = run.call;
    if (rest.delayMillis > 0) {
      await this.waitedFor(delay(rest.delayMillis, undefined, { signal }).catch(() => {}));
    } else await yieldIfDue();
    if (scope.aborted) throw scope.aborted;
    return rest.element;
  }

  /** What a drain leaves of an element; undefined for nothing. */
  private async truncated(
    element: WindowedValue<unknown>,
  ): Promise<WindowedValue<unknown> | undefined> {
    try {
      const [value] = await this.waitedFor(
        truncate(this.wiring.doFn)(element.value, undefined) as Promise<Sized[]>,
      );
      return value && { ...element, value };
    } catch (error) {
      throw this.failed(error);
    }
  }

  /** Calls `process` and sends what it outputs. */
  private async drive(run: RestrictionRun): Promise<ProcessContinuation | undefined> {
    const { key: value } = (run.element.value as Sized).key;
    let given: unknown;
    try {
      given = this.wiring.doFn.process(value, run.tracker, this.context.value, run.call);
      if (isThenable(given)) given = await this.waitedFor(given);
    } catch (error) {
      throw this.failed(error);
    }
    if (given === undefined || given instanceof ProcessContinuation) return given;
    // A Set of promises is at hand as a whole, as an array is: see `hush`.
    const whole = given instanceof Set ? [...given] : given;
    if (Array.isArray(whole)) hush(whole, 0);
    const outputs = whole as Partial<Iterable<unknown> & AsyncIterable<unknown>> | null;
    const iterator = this.guarded(() =>
      typeof outputs?.[Symbol.iterator] === 'function'
        ? (outputs as Iterable<unknown>)[Symbol.iterator]()
        : outputs?.[Symbol.asyncIterator]?.(),
    );
    if (iterator) return this.sendAll(iterator, run);
    throw this.failed(
      new BeamBridgeError(
        'USER_CODE_FAILED',
        `process gave ${given === null ? 'null' : typeof given}, where outputs were expected`,
        { hint: 'Be a generator, or return an array, resume(…), stop() or nothing.' },
      ),
    );
  }

  private async sendAll(
    iterator: Iterator<unknown> | AsyncIterator<unknown>,
    run: RestrictionRun,
  ): Promise<ProcessContinuation | undefined> {
    for (let count = 1; ; count++) {
      let next: IteratorResult<unknown>;
      try {
        const step = iterator.next();
        next = isThenable(step) ? await this.waitedFor(step) : (step as IteratorResult<unknown>);
      } catch (error) {
        throw this.failed(error);
      }
      if (next.done) return this.continuation(next.value);
      try {
        this.observe(next.value, run);
        const pending = this.emitter.one(next.value, run.element);
        if (pending) await pending;
        if (count % OUTPUTS_PER_LOOK === 0) await yieldIfDue();
        if (this.wiring.scope.aborted) throw this.wiring.scope.aborted;
      } catch (error) {
        await giveUp(iterator, this.info.transform);
        throw error;
      }
    }
  }

  private async waitedFor<T>(pending: PromiseLike<T>): Promise<T> {
    this.scope.atWork = this.info;
    const given = await pending;
    this.scope.atWork = undefined;
    return given;
  }

  /** What a generator returned; other iterators may end with anything. */
  private continuation(ended: unknown): ProcessContinuation | undefined {
    return ended instanceof ProcessContinuation ? ended : undefined;
  }

  private observe(output: unknown, run: RestrictionRun): void {
    const { watermark } = run.call;
    if (!watermark?.observeTimestamp) return;
    this.guarded(() => {
      const { timestamp = run.element.timestamp } = unwrap(output);
      watermark.observeTimestamp?.(timestamp);
    });
  }

  private guarded<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      throw this.failed(error);
    }
  }

  fractionCompleted(): number | undefined {
    const progress = this.guarded(() => this.run?.progress());
    if (!progress) return undefined;
    const { completed, remaining } = progress;
    if (remaining === Infinity) return 0;
    return completed + remaining > 0 ? completed / (completed + remaining) : undefined;
  }

  /**
   * Cuts the restriction under way. Windows that `process` was not called for go away with the rest;
   * those that are done stay.
   */
  trySplit(fractionOfRemainder: number): ElementSplit | undefined {
    const { run, given, waiting, done } = this;
    if (!run || !given || this.wiring.goesOn) return undefined;
    const cut = this.guarded(() => run.trySplit(fractionOfRemainder));
    if (!cut && waiting.length === 0) return undefined;
    const { parts } = this.wiring;
    const primaryRoots = [cut?.primary ?? run.whole()];
    if (done.length > 0) primaryRoots.push(parts.application({ ...given, windows: done }));
    const residualRoots = cut ? [cut.residual] : [];
    if (waiting.length > 0)
      residualRoots.push(run.untouched({ ...given, windows: waiting.flat() }));
    this.waiting = [];
    return { primaryRoots, residualRoots };
  }

  abort(): void {
    this.run?.interrupt();
  }

  override monitoringInfos(): MonitoringInfo[] {
    const progress = this.run?.progress();
    const infos = super.monitoringInfos();
    return progress ? [...infos, ...workProgress(this.transformId, progress)] : infos;
  }
}
