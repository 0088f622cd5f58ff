// SPDX-License-Identifier: Apache-2.0
// A DoFn with the calls around its elements.

import { BeamBridgeError } from '../../../base/index.ts';
import { instantOf, type WindowedValue } from '../../../coders/index.ts';
import { TaggedOutput } from '../../../pipeline/index.ts';
import type { DoFnInstance } from '../do-fn-instances.ts';
import type { MaybePromise } from '../types.ts';
import type { WindowKinds } from '../window-kinds.ts';
import { FlatMapOperator } from './flat-map.ts';
import type { ParDoParts } from './par-do.ts';

export class DoFnOperator extends FlatMapOperator {
  private readonly windowKinds: WindowKinds;

  constructor(
    parts: ParDoParts,
    readonly instance: DoFnInstance,
  ) {
    const { doFn } = instance;
    super(parts, (element, context) => doFn.process(element, context));
    this.windowKinds = parts.windowKinds;
  }

  override async startBundle(): Promise<void> {
    await super.startBundle();
    try {
      this.scope.atWork = this.info;
      await this.instance.setUp(this.scope.asking);
      await this.instance.doFn.startBundle?.(this.context.value);
      this.scope.atWork = undefined;
    } catch (error) {
      throw this.failed(error);
    }
  }

  override finishBundle(): MaybePromise<void> {
    const done = super.finishBundle();
    return this.instance.doFn.finishBundle ? this.finishUser() : done;
  }

  private async finishUser(): Promise<void> {
    let outputs: unknown;
    try {
      this.scope.atWork = this.info;
      outputs = await this.instance.doFn.finishBundle?.(this.context.value);
      this.scope.atWork = undefined;
    } catch (error) {
      throw this.failed(error);
    }
    if (outputs === undefined) return;
    await this.emitter.allComplete(outputs, (output) => this.checked(output));
  }

  /** A whole element; a tag around it goes to its value. */
  private checked(output: unknown): WindowedValue<unknown> {
    if (output instanceof TaggedOutput) {
      const element = this.checked(output.value);
      return { ...element, value: new TaggedOutput(output.tag, element.value) };
    }
    const given = output as Partial<WindowedValue<unknown>> | null | undefined;
    if (
      typeof given === 'object' &&
      given !== null &&
      'value' in given &&
      given.timestamp !== undefined &&
      Array.isArray(given.windows) &&
      given.windows.length > 0 &&
      given.pane
    ) {
      this.windowKinds.check(given.windows);
      const { timestamp } = given;
      if (Number.isSafeInteger(timestamp)) return given as WindowedValue<unknown>;
      try {
        const whole = instantOf(timestamp, 'the timestamp of an output of finishBundle');
        return { ...(given as WindowedValue<unknown>), timestamp: whole };
      } catch (error) {
        throw this.failed(error);
      }
    }
    throw new BeamBridgeError(
      'USER_CODE_FAILED',
      'finishBundle gave an output without windows, timestamp or pane',
      {
        ...this.info,
        hint: 'There is no current element: return { value, timestamp, windows, pane } objects.',
      },
    );
  }
}
