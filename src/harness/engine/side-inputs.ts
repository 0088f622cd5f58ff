// SPDX-License-Identifier: Apache-2.0
// The side inputs of one ParDo: read from the runner before the first element of a window that
// needs them, kept for the bundle, and across bundles where the runner allows it.

import { BeamBridgeError, latin1 } from '../../base/index.ts';
import { type Coder, encodeValue, type Window } from '../../coders/index.ts';
import type { RegisteredParDo, SideInputParam, WindowFn } from '../../pipeline/index.ts';
import type { pb } from '../../proto/index.ts';
import type { DescriptorView } from './descriptor.ts';
import type { TransformInfo } from './errors.ts';
import { userError } from './errors.ts';
import { readAll } from './read-all.ts';
import type { BundleScope } from './scope.ts';
import type { CachedSideInput, SideInputCache } from './side-input-cache.ts';
import { changedSide, watched } from './strict-sides.ts';
import type { MaybePromise } from './types.ts';
import { sideInputWindow } from './window-fns.ts';

/** Windows whose contents a bundle keeps at hand. */
const MOST_WINDOWS = 32;

interface SideInput {
  readonly id: string;
  readonly param: SideInputParam<unknown, unknown>;
  readonly element: Coder<unknown>;
  readonly windowFn: WindowFn;
  readonly windowCoder: Coder<unknown>;
  /** What this bundle has read of late, by encoded window. */
  readonly windows: Map<string, CachedSideInput>;
}

/** Reads and keeps the side inputs of one operator. */
export class SideInputs {
  private readonly sides: SideInput[] = [];
  private window: Window | undefined;
  /** For the window being processed, by side input. */
  private readonly current = new Map<string, CachedSideInput>();

  constructor(
    private readonly transformId: string,
    transform: pb.PTransform,
    registered: RegisteredParDo,
    view: DescriptorView,
    private readonly scope: BundleScope,
    private readonly cache: SideInputCache,
    private readonly info: TransformInfo,
  ) {
    for (const [id, param] of registered.sideInputs) {
      const pcollection = transform.inputs[id];
      if (pcollection === undefined) {
        throw new BeamBridgeError('HARNESS_PROTOCOL', `side input ${id} has no PCollection`, info);
      }
      const windowFn = view.windowFn(pcollection);
      if (windowFn.isMerging()) {
        throw new BeamBridgeError(
          'UNSUPPORTED',
          'a side input in windows that merge matches no window',
          {
            ...info,
            hint: 'Put the side input into global or fixed windows with windowInto.',
          },
        );
      }
      this.sides.push({
        id,
        param,
        element: view.elementCoder(pcollection),
        windowFn,
        windowCoder: view.windowCoder(pcollection),
        windows: new Map(),
      });
    }
    if (scope.isStrict) scope.checks.push(() => this.checkAll());
  }

  startBundle(): void {
    this.window = undefined;
    this.current.clear();
    for (const side of this.sides) side.windows.clear();
  }

  /** What `lookup()` gives in the window that was prepared last. */
  value(param: SideInputParam<unknown, unknown>): unknown {
    return this.current.get(param.sideInputId)?.value;
  }

  /** Makes all side inputs ready for an element in `window`. */
  prepare(window: Window): MaybePromise<void> {
    if (window === this.window) return;
    const loading: Promise<void>[] = [];
    for (const side of this.sides) {
      const pending = this.prepareOne(side, window);
      if (pending) loading.push(pending);
    }
    if (loading.length === 0) {
      this.window = window;
      return;
    }
    return Promise.all(loading).then(() => {
      this.window = window;
    });
  }

  private prepareOne(side: SideInput, main: Window): Promise<void> | undefined {
    const encoded = encodeValue(side.windowCoder, sideInputWindow(side.windowFn, main), true);
    const windowKey = latin1(encoded);
    const known = side.windows.get(windowKey);
    if (known) {
      this.current.set(side.id, known);
      return undefined;
    }
    return this.load(side, encoded).then((contents) => {
      side.windows.set(windowKey, contents);
      // A bundle may go on for as long as its input does: the oldest can be read again.
      const [oldest] = side.windows.keys();
      if (side.windows.size > MOST_WINDOWS) {
        this.check(side.windows.get(oldest!)!);
        side.windows.delete(oldest!);
      }
      this.current.set(side.id, contents);
    });
  }

  private async load(side: SideInput, window: Uint8Array): Promise<CachedSideInput> {
    const { state } = this.scope;
    const key = { transformId: this.transformId, sideInputId: side.id, window };
    const token = state.cacheToken?.(key);
    const cacheKey = JSON.stringify([this.transformId, side.id, latin1(window)]);
    const cached = token === undefined ? undefined : this.cache.get(cacheKey, token);
    if (cached) return cached;
    let bytes = 0;
    const elements = await readAll(side.element, state.sideInput(key), (size) => {
      bytes += size;
    });
    const toValue = () => this.convert(side, elements);
    const contents = this.scope.isStrict
      ? { ...watched(elements, side.element, toValue), bytes }
      : { value: toValue(), bytes };
    if (token !== undefined) this.cache.set(cacheKey, token, contents);
    return contents;
  }

  private checkAll(): void {
    for (const { windows } of this.sides) {
      for (const contents of windows.values()) this.check(contents);
    }
  }

  private check({ hasChanged }: CachedSideInput): void {
    if (hasChanged?.()) throw changedSide(this.info);
  }

  private convert(side: SideInput, elements: unknown[]): unknown {
    try {
      return side.param.toValue(elements);
    } catch (error) {
      throw userError(error, this.info);
    }
  }
}
