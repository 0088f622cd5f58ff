// SPDX-License-Identifier: Apache-2.0
// What a bundle may ask of its stage: side inputs, and what its DoFns keep.

import { latin1 } from '../../../../base/index.ts';
import type { BundleState, SideInputKey } from '../../../../harness/index.ts';
import type { Contents, SideInputView } from '../side-input-view.ts';
import type { StateLayer } from '../user-state.ts';

const BETWEEN = '\u{10ffff}';

/** Names a side input of a stage. */
export function sideInputName(transformId: string, sideInputId: string): string {
  return `${transformId}${BETWEEN}${sideInputId}`;
}

/**
 * @param isKept - whether a window's contents stay for the bundle what they were at its first look: a
 *   worker elsewhere keeps a part of them and asks for the rest later
 */
export function bundleState(
  viewOf: ReadonlyMap<string, SideInputView>,
  layer: StateLayer | undefined,
  isKept: boolean,
): BundleState {
  const view = ({ transformId, sideInputId }: SideInputKey) =>
    viewOf.get(sideInputName(transformId, sideInputId));
  const kept = new Map<string, Contents | undefined>();
  const contents = (key: SideInputKey) => {
    if (!isKept) return view(key)?.contents(key.window);
    const name = sideInputName(sideInputName(key.transformId, key.sideInputId), latin1(key.window));
    if (!kept.has(name)) kept.set(name, view(key)?.contents(key.window));
    return kept.get(name);
  };
  return {
    async *sideInput(key) {
      yield* view(key)?.read(contents(key)) ?? [];
    },
    async *multimap(key, mapKey) {
      yield* view(key)?.readMultimap(contents(key), mapKey) ?? [];
    },
    // Groups are handed over whole: none goes on in the runner.
    async *iterable() {},
    cacheToken: (key) => view(key)?.token(key.window),
    sideInputTokens: () =>
      [...viewOf].flatMap(([name, { wholeToken: token }]) => {
        const [transformId = '', sideInputId = ''] = name.split(BETWEEN);
        return token === undefined ? [] : [{ transformId, sideInputId, token }];
      }),
    isWhole: (key) => view(key)?.isWhole(contents(key)) ?? true,
    user: layer?.state,
  };
}
