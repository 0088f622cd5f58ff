// SPDX-License-Identifier: Apache-2.0
// Who wants to hear of a host's end. A host may live for long: a promise of its end would keep all that
// ever waited for it, every run of a program.

import type { Host } from './host.ts';

const listeners = new WeakMap<Host, Set<() => void>>();

/** Calls `listener` once the host is gone; returns a function that takes it back. */
export function onHostExit(host: Host, listener: () => void): () => void {
  let all = listeners.get(host);
  if (!all) {
    all = new Set();
    listeners.set(host, all);
    const waiting = all;
    void host.exited.then(() => {
      for (const each of waiting) each();
    });
  }
  // One that is given twice is called twice.
  const own = () => listener();
  all.add(own);
  return () => all.delete(own);
}
