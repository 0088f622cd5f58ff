// SPDX-License-Identifier: Apache-2.0
// Window functions by what a message says: one of Beam's own, or one that the user wrote.

import { BeamBridgeError } from '../../base/index.ts';
import type { Window } from '../../coders/index.ts';
import { FUNCTION_URNS, type WindowFn } from '../../pipeline/index.ts';
import type { pb } from '../../proto/index.ts';
import { standardWindowFn } from '../../transforms/index.ts';
import type { FunctionLookup } from './types.ts';

/**
 * The window function of a message.
 *
 * @throws `UNSUPPORTED` for another SDK's, `FUNCTION_NOT_FOUND` for one that was never registered
 */
export function windowFnFromProto(
  spec: pb.FunctionSpec | undefined,
  functions: FunctionLookup,
): WindowFn {
  if (spec?.urn === FUNCTION_URNS.windowFn) {
    const key = Buffer.from(spec.payload).toString('utf8');
    const found = functions.get(key) as WindowFn | undefined;
    if (typeof found?.assignWindows === 'function') return found;
    throw new BeamBridgeError('FUNCTION_NOT_FOUND', `no window function is registered as ${key}`);
  }
  const standard = spec && standardWindowFn(spec);
  if (standard) return standard;
  throw new BeamBridgeError(
    'UNSUPPORTED',
    `the window function ${spec?.urn ?? '(none)'} cannot run in TypeScript`,
    { hint: 'Apply windowInto in the SDK that wrote the window function.' },
  );
}

/**
 * The window of a side input in which a main element's window looks: the earliest one that holds
 * the main window's last instant.
 * Source: https://beam.apache.org/documentation/programming-guide/#side-inputs-windowing
 */
export function sideInputWindow(side: WindowFn, main: Window): Window {
  const assigned = side.assignWindows(main.maxTimestamp());
  if (assigned.length === 0) {
    throw new BeamBridgeError('UNSUPPORTED', `no window of a side input matches ${String(main)}`);
  }
  return assigned.reduce((a, b) => (b.maxTimestamp() < a.maxTimestamp() ? b : a));
}
