// SPDX-License-Identifier: Apache-2.0
// Parameters that a context object may hold: their value depends on the element being processed
// (its window, its timestamp), on another PCollection (a side input), or leads out (a metric).
// A program holds a template; the bundle engine binds a copy of it to each bundle's provider.

import { type Asking, BeamBridgeError } from '../base/index.ts';
import type { Instant, PaneInfo, Window } from '../coders/index.ts';
import type { PCollection } from './pvalue.ts';

/** What the bundle engine offers to bound parameters. */
export interface ParamProvider {
  lookup(param: ParDoParam): unknown;
  update(param: ParDoParam, value: unknown): void;
}

const NOT_BOUND: ParamProvider = {
  lookup: (param) => {
    throw undeclared(describe(param));
  },
  update: (param) => {
    throw undeclared(describe(param));
  },
};

function describe(param: ParDoParam): string {
  const kind = param.constructor.name;
  return param instanceof Metric ? `the ${kind} ${JSON.stringify(param.metricName)}` : `a ${kind}`;
}

/** The error of a parameter that is used outside the context in which it was declared. */
export function undeclared(what: string): BeamBridgeError {
  return new BeamBridgeError(
    'INVALID_ARGUMENT',
    `${what} is used that was not declared, or not taken from the context`,
    {
      hint: 'Put it into the context itself, not into an object within: map(fn, { name: … }). Use it from the context that the function is given as its second argument, not through the variable outside.',
    },
  );
}

/** A context value that the bundle engine fills in. */
export abstract class ParDoParam {
  protected provider: ParamProvider = NOT_BOUND;

  /** A copy that asks `provider`. @internal */
  bind(provider: ParamProvider): this {
    const copy = Object.create(Object.getPrototypeOf(this), Object.getOwnPropertyDescriptors(this));
    copy.provider = provider;
    return copy;
  }
}

/** A parameter with a value for the element being processed. */
export abstract class LookupParam<T> extends ParDoParam {
  lookup(): T {
    return this.provider.lookup(this) as T;
  }
}

export class WindowParam extends LookupParam<Window> {}
export class TimestampParam extends LookupParam<Instant> {}
export class PaneInfoParam extends LookupParam<PaneInfo> {}
/**
 * The bundle, for those who wait. For steps of this package that work for long on
 * one element. @internal
 */
export class AskingParam extends LookupParam<Asking> {}

/** The window of the element being processed. */
export function windowParam(): WindowParam {
  return new WindowParam();
}

/** The timestamp of the element being processed, in milliseconds since the epoch. */
export function timestampParam(): TimestampParam {
  return new TimestampParam();
}

/** Which firing of its window the element being processed came in. */
export function paneInfoParam(): PaneInfoParam {
  return new PaneInfoParam();
}

/**
 * The contents of another PCollection, matched by window. They are held in memory, and loaded
 * before the first element of a window that needs them.
 */
export class SideInputParam<ElementT, ValueT> extends LookupParam<ValueT> {
  /** Name of the side input within its ParDo; set when that is applied. @internal */
  sideInputId = '';

  constructor(
    readonly pcoll: PCollection<ElementT>,
    /** From the elements of one window to what `lookup()` gives. */
    readonly toValue: (elements: ElementT[]) => ValueT,
  ) {
    super();
  }
}

/** The same side input under its name in one ParDo: the program may use it in others as well. */
function namedSideInput<E, V>(param: SideInputParam<E, V>, id: string): SideInputParam<E, V> {
  const copy = param.bind(NOT_BOUND);
  copy.sideInputId = id;
  return copy;
}

/** The context with each parameter as a copy of its own that `name` may change. */
export function ownParams<C>(context: C, name: (copy: ParDoParam, id: string) => void): C {
  return replaceParams(context, (param, id) => {
    const copy = param.bind(NOT_BOUND);
    name(copy, id || 'context');
    return copy;
  });
}

/** A ParDo's context with side inputs of its own, and these by their ids. */
export function nameSideInputs<C>(context: C): {
  context: C;
  sideInputs: Map<string, SideInputParam<unknown, unknown>>;
} {
  const sideInputs = new Map<string, SideInputParam<unknown, unknown>>();
  const own = replaceParams(context, (param, name) => {
    if (!(param instanceof SideInputParam)) return param;
    const id = `side:${name || 'context'}`;
    const copy = namedSideInput(param as SideInputParam<unknown, unknown>, id);
    sideInputs.set(id, copy);
    return copy;
  });
  return { context: own, sideInputs };
}

/** A parameter that leads out: what it is given goes to the runner. */
export abstract class UpdateParam extends ParDoParam {}

/** Kinds of metrics, as Beam names them. */
export type MetricKind = 'counter' | 'distribution' | 'gauge';

/** A number that a run adds up over all workers. */
export abstract class Metric extends UpdateParam {
  abstract readonly kind: MetricKind;

  constructor(
    readonly metricName: string,
    /** @default the transform's name */
    readonly namespace?: string,
  ) {
    super();
  }
}

/** A sum. */
export class Counter extends Metric {
  readonly kind = 'counter';
  /** Adds a whole number, negative too. @param by - @default 1 */
  increment(by = 1): void {
    this.provider.update(this, by);
  }
}

/** Count, sum, least and greatest of whole numbers. */
export class Distribution extends Metric {
  readonly kind = 'distribution';
  update(value: number): void {
    this.provider.update(this, value);
  }
}

/** The latest value set. */
export class Gauge extends Metric {
  readonly kind = 'gauge';
  set(value: number): void {
    this.provider.update(this, value);
  }

  /** A gauge of the same step under another name: of several things each has one. @internal */
  named(name: string): Gauge {
    return new Gauge(name, this.namespace).bind(this.provider);
  }
}

/** A counter to put into a context: `map(fn, { bad: counter('bad rows') })`. */
export function counter(name: string, namespace?: string): Counter {
  return new Counter(name, namespace);
}

/** A distribution of whole numbers to put into a context. */
export function distribution(name: string, namespace?: string): Distribution {
  return new Distribution(name, namespace);
}

/** A gauge to put into a context. */
export function gauge(name: string, namespace?: string): Gauge {
  return new Gauge(name, namespace);
}

/** Something to do once the runner has stored a bundle's results. */
export class BundleFinalizerParam extends UpdateParam {
  /**
   * Calls back after the bundle being processed was stored for good; on `node` a batch that writes files stores
   * them when the run has succeeded. Best effort: after a failure the callback may never come, and the bundle is
   * processed again.
   */
  register(callback: () => void | Promise<void>): void {
    this.provider.update(this, callback);
  }
}

/** To put into a context: `map(fn, { stored: bundleFinalizerParam() })`. */
export function bundleFinalizerParam(): BundleFinalizerParam {
  return new BundleFinalizerParam();
}

/** Every parameter in a context, by its name there. A context may also be one parameter itself. */
export function paramsOf(context: unknown): [string, ParDoParam][] {
  if (context instanceof ParDoParam) return [['', context]];
  if (typeof context !== 'object' || context === null) return [];
  return Object.entries(context).filter(
    (entry): entry is [string, ParDoParam] => entry[1] instanceof ParDoParam,
  );
}

/** The context with its parameters bound to `provider`; without parameters, the context itself. */
export function bindContext<C>(context: C, provider: ParamProvider): C {
  return replaceParams(context, (param) => param.bind(provider));
}

function replaceParams<C>(context: C, replace: (param: ParDoParam, name: string) => ParDoParam): C {
  if (context instanceof ParDoParam) return replace(context, '') as C & ParDoParam;
  const params = paramsOf(context);
  if (params.length === 0) return context;
  const copy: Record<string, unknown> = Object.create(
    Object.getPrototypeOf(context),
    Object.getOwnPropertyDescriptors(context),
  );
  for (const [name, param] of params) copy[name] = replace(param, name);
  return copy as C;
}
