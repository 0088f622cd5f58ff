// SPDX-License-Identifier: Apache-2.0
// What is left of elements, as messages of the Fn API.

import { BeamBridgeError } from '../../base/index.ts';
import { exactMillis, type Instant } from '../../coders/index.ts';
import { create, type fn, type MessageInitShape, pb, TimestampSchema } from '../../proto/index.ts';
import type { Application, Residual } from '../engine/index.ts';

type BundleApplication = MessageInitShape<typeof fn.BundleApplicationSchema>;
type DelayedBundleApplication = MessageInitShape<typeof fn.DelayedBundleApplicationSchema>;

/** A part of an element. */
export function application({ transformId, inputId, element }: Application): BundleApplication {
  if (element instanceof Uint8Array) return { transformId, inputId, element };
  throw new BeamBridgeError('INTERNAL', 'an element that was never encoded cannot leave');
}

/** A part of an element to be processed later. */
export function delayedApplication(residual: Residual): DelayedBundleApplication {
  const { BOUNDED, UNBOUNDED } = pb.IsBounded_Enum;
  return {
    application: {
      ...application(residual),
      outputWatermarks: Object.fromEntries(
        [...residual.watermarks].map(([tag, at]) => [tag, timestampOf(at)]),
      ),
      isBounded: residual.isBounded ? BOUNDED : UNBOUNDED,
    },
    requestedTimeDelay: duration(residual.delayMillis),
  };
}

function timestampOf(instant: Instant) {
  const millis = exactMillis(instant);
  // The nanoseconds of a Timestamp count forward, before 1970 too.
  const rest = ((millis % 1000n) + 1000n) % 1000n;
  return create(TimestampSchema, {
    seconds: (millis - rest) / 1000n,
    nanos: Number(rest) * 1_000_000,
  });
}

function duration(millis: number) {
  const whole = Math.ceil(millis);
  return { seconds: BigInt(Math.floor(whole / 1000)), nanos: (whole % 1000) * 1_000_000 };
}
