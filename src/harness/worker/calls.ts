// SPDX-License-Identifier: Apache-2.0
// How streams to the runner end. A stream that is only cut can crash a runner that takes every other
// status than CANCELLED for a defect (Prism does), so ours end in good order.

import type { EventEmitter } from 'node:events';

/** How long a runner may take to answer the end of a stream. */
const GRACE_MS = 250;

/** The parts of a gRPC stream that matter for its end. */
export interface Call extends Pick<EventEmitter, 'on' | 'once'> {
  end(): unknown;
  cancel(): void;
}

const over = new WeakSet<Call>();

/** Says whose end {@link endCall} will be asked for; `onEnd` hears of an end that the runner made. */
export function watchCall<C extends Call>(call: C, onEnd: (error?: Error) => void): C {
  call.on('status', () => {
    over.add(call);
    onEnd();
  });
  call.on('error', (error: Error) => {
    over.add(call);
    onEnd(error);
  });
  call.on('end', () => onEnd());
  return call;
}

/** Says that nothing more is sent, and cancels the stream when the runner does not end it soon. */
export function endCall(call: Call): Promise<void> {
  if (over.has(call)) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      call.cancel();
      resolve();
    }, GRACE_MS);
    const ended = () => {
      clearTimeout(timer);
      resolve();
    };
    call.once('status', ended);
    call.once('error', ended);
    call.end();
  });
}
