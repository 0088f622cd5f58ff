// SPDX-License-Identifier: Apache-2.0
// What all ParDos have in common: the context, side inputs, and one call per window where the
// function can tell windows apart.

import type { WindowedValue } from '../../../coders/index.ts';
import type { BoundContext } from '../context.ts';
import type { Emitter } from '../emit.ts';
import { type TransformInfo, userError } from '../errors.ts';
import type { MonitoringInfo, UserMetrics } from '../metrics.ts';
import { type Operator, withValue } from '../operator.ts';
import type { BundleScope } from '../scope.ts';
import type { SideInputs } from '../side-inputs.ts';
import type { MaybePromise } from '../types.ts';
import type { WindowKinds } from '../window-kinds.ts';

/** The parts from which every ParDo is made. */
export interface ParDoParts {
  readonly transformId: string;
  readonly inputs: readonly string[];
  readonly info: TransformInfo;
  readonly context: BoundContext;
  readonly scope: BundleScope;
  readonly sideInputs: SideInputs | undefined;
  readonly metrics: UserMetrics;
  readonly emitter: Emitter;
  /** Of outputs that say their windows themselves. */
  readonly windowKinds: WindowKinds;
}

export abstract class ParDoOperator implements Operator {
  readonly transformId: string;
  readonly inputs: readonly string[];
  protected readonly info: TransformInfo;
  protected readonly context: BoundContext;
  protected readonly emitter: Emitter;
  protected readonly scope: BundleScope;
  private readonly sideInputs: SideInputs | undefined;
  private readonly metrics: UserMetrics;

  constructor(parts: ParDoParts) {
    this.transformId = parts.transformId;
    this.inputs = parts.inputs;
    this.info = parts.info;
    this.context = parts.context;
    this.scope = parts.scope;
    this.emitter = parts.emitter;
    this.sideInputs = parts.sideInputs;
    this.metrics = parts.metrics;
  }

  startBundle(): MaybePromise<void> {
    this.context.element = undefined;
    this.metrics.reset();
    this.sideInputs?.startBundle();
  }

  process(element: WindowedValue<unknown>): MaybePromise<void> {
    return this.processValue(element.value, element);
  }

  processValue(value: unknown, from: WindowedValue<unknown>): MaybePromise<void> {
    const { context } = this;
    if (context.observesWindows) return this.processWindows(value, from);
    context.element = from;
    return this.call(value, from);
  }

  finishBundle(): MaybePromise<void> {
    this.context.element = undefined;
  }

  monitoringInfos(): MonitoringInfo[] {
    return this.metrics.monitoringInfos();
  }

  /** Calls the user's function on the value of one element, which is else as `from`, and sends on what it gives. */
  protected abstract call(value: unknown, from: WindowedValue<unknown>): MaybePromise<void>;

  /** Calls other user code than the one for elements, in the context of `element`. */
  protected async processWith(
    element: WindowedValue<unknown>,
    call: (context: unknown) => unknown,
  ): Promise<void> {
    await this.sideInputs?.prepare(element.windows[0]!);
    this.context.element = element;
    let outputs: unknown;
    try {
      this.scope.atWork = this.info;
      outputs = await call(this.context.value);
      this.scope.atWork = undefined;
    } catch (error) {
      throw this.failed(error);
    }
    if (outputs === undefined) return;
    await this.emitter.all(outputs, element);
  }

  /** What the user's code threw, as the error of this transform. */
  protected failed(thrown: unknown): Error {
    return userError(thrown, this.info);
  }

  private processWindows(value: unknown, from: WindowedValue<unknown>): MaybePromise<void> {
    const element = this.context.needsValue ? withValue(from, value) : from;
    if (element.windows.length === 1) return this.processOne(value, element);
    return this.processExploded(value, element);
  }

  private async processExploded(value: unknown, from: WindowedValue<unknown>): Promise<void> {
    const { timestamp, pane } = from;
    for (const window of from.windows) {
      const pending = this.processOne(value, { value, timestamp, windows: [window], pane });
      if (pending) await pending;
    }
  }

  /** Calls the user's function on an element that is in one window, side inputs loaded. */
  protected processOne(value: unknown, from: WindowedValue<unknown>): MaybePromise<void> {
    const loading = this.sideInputs?.prepare(from.windows[0]!);
    if (loading) return this.processLoaded(loading, value, from);
    this.context.element = from;
    return this.call(value, from);
  }

  private async processLoaded(
    loading: Promise<void>,
    value: unknown,
    from: WindowedValue<unknown>,
  ): Promise<void> {
    await loading;
    this.context.element = from;
    await this.call(value, from);
  }
}
