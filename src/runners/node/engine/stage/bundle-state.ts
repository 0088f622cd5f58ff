// SPDX-License-Identifier: Apache-2.0
// What a bundle may ask of its stage: side inputs, and what its DoFns keep.

import type { BundleState } from '../../../../harness/index.ts';
import type { SideInputView } from '../side-input-view.ts';
import type { StateLayer } from '../user-state.ts';

/** Names a side input of a stage. */
export function sideInputName(transformId: string, sideInputId: string): string {
  return `${transformId}\u{10ffff}${sideInputId}`;
}

export function bundleState(
  viewOf: ReadonlyMap<string, SideInputView>,
  layer: StateLayer | undefined,
): BundleState {
  const view = (transformId: string, sideInputId: string) =>
    viewOf.get(sideInputName(transformId, sideInputId));
  return {
    async *sideInput({ transformId, sideInputId, window }) {
      yield* view(transformId, sideInputId)?.read(window) ?? [];
    },
    async *multimap({ transformId, sideInputId, window }, key) {
      yield* view(transformId, sideInputId)?.readMultimap(window, key) ?? [];
    },
    // Groups are handed over whole: none goes on in the runner.
    async *iterable() {},
    cacheToken: ({ transformId, sideInputId, window }) =>
      view(transformId, sideInputId)?.token(window),
    user: layer?.state,
  };
}
