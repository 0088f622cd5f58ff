// SPDX-License-Identifier: Apache-2.0
// The user's context, bound to the element that is being processed.

import { BeamBridgeError, getLogger } from '../../base/index.ts';
import type { WindowedValue } from '../../coders/index.ts';
import {
  AskingParam,
  BundleFinalizerParam,
  bindContext,
  Metric,
  PaneInfoParam,
  type ParamProvider,
  type ParDoParam,
  paramsOf,
  SideInputParam,
  StateParam,
  TimerParam,
  type TimerRequest,
  TimestampParam,
  WindowParam,
} from '../../pipeline/index.ts';
import { type TransformInfo, userError } from './errors.ts';
import type { UserMetrics } from './metrics.ts';
import type { BundleFinalizer, BundleScope } from './scope.ts';
import type { SideInputs } from './side-inputs.ts';
import type { UserStates } from './user-state.ts';
import type { UserTimers } from './user-timers.ts';

const log = getLogger('harness');

/**
 * A finalizer whose failure is told and no more: the bundle is stored, and others wait for their turn.
 * Java's `FinalizeBundleHandler` does so too.
 */
function harmless(finalize: BundleFinalizer, info: TransformInfo): BundleFinalizer {
  return async () => {
    try {
      await finalize();
    } catch (error) {
      log.warn(`${info.transform}: a bundle finalizer failed`, userError(error, info));
    }
  };
}

/** Answers the parameters in one operator's context. */
export class BoundContext implements ParamProvider {
  /** The user's context with live parameters: the second argument of the user's functions. */
  readonly value: unknown;
  /** Whether the function can tell the windows of an element apart. */
  readonly observesWindows: boolean;
  /** Whether parameters are about an element's value as well as about its time, windows and pane. */
  readonly needsValue: boolean;
  /** The element being processed; undefined before the first and after the last. */
  element: WindowedValue<unknown> | undefined;

  constructor(
    template: unknown,
    private readonly sideInputs: SideInputs | undefined,
    private readonly metrics: UserMetrics,
    private readonly scope: BundleScope,
    private readonly info: TransformInfo,
    private readonly states?: UserStates,
    private readonly timers?: UserTimers,
  ) {
    this.value = bindContext(template, this);
    this.needsValue = states !== undefined || timers !== undefined;
    this.observesWindows =
      sideInputs !== undefined ||
      paramsOf(template).some(
        ([, param]) =>
          param instanceof WindowParam ||
          param instanceof StateParam ||
          param instanceof TimerParam,
      );
  }

  /** @throws `UNSUPPORTED` when no element is being processed */
  private current(): WindowedValue<unknown> {
    const { element } = this;
    if (!element) {
      throw new BeamBridgeError(
        'UNSUPPORTED',
        'a parameter was looked up while no element is being processed',
        {
          ...this.info,
          hint: 'Windows, timestamps, side inputs, state and timers belong to an element: use them in process().',
        },
      );
    }
    return element;
  }

  lookup(param: ParDoParam): unknown {
    const element = this.current();
    if (param instanceof AskingParam) return this.scope.asking;
    if (param instanceof TimestampParam) return element.timestamp;
    if (param instanceof WindowParam) return element.windows[0];
    if (param instanceof PaneInfoParam) return element.pane;
    if (param instanceof StateParam && this.states) return this.states.cell(param, element);
    if (param instanceof TimerParam && this.timers) return this.timers.now(param, element);
    if (param instanceof SideInputParam && this.sideInputs) return this.sideInputs.value(param);
    throw this.unknown(param);
  }

  update(param: ParDoParam, value: unknown): void {
    if (param instanceof Metric) this.metrics.update(param, value);
    else if (param instanceof BundleFinalizerParam) {
      this.scope.finalizers.push(harmless(value as BundleFinalizer, this.info));
    } else if (param instanceof TimerParam && this.timers) {
      this.timers.request(param, value as TimerRequest, this.current());
    } else throw this.unknown(param);
  }

  private unknown(param: ParDoParam): BeamBridgeError {
    return new BeamBridgeError('UNSUPPORTED', `${param.constructor.name} has no value here`, {
      ...this.info,
    });
  }
}
