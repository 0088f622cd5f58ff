// SPDX-License-Identifier: Apache-2.0
// Who wants to hear of a host's end. A host may live for long: a promise of its end would keep all that
// ever waited for it, every run of a program.

import type { Host } from './host.ts';

interface Exit {
  readonly listeners: Set<() => void>;
  isOver: boolean;
}

const exits = new WeakMap<Host, Exit>();

/** Calls `listener` once the host is gone, soon if it is; returns a function that takes it back. */
export function onHostExit(host: Host, listener: () => void): () => void {
  let exit = exits.get(host);
  if (!exit) {
    const watched: Exit = { listeners: new Set(), isOver: false };
    exits.set(host, watched);
    void host.exited.then(() => {
      watched.isOver = true;
      for (const each of watched.listeners) each();
    });
    exit = watched;
  }
  const { listeners, isOver } = exit;
  // One that is given twice is called twice.
  const own = () => listener();
  listeners.add(own);
  if (isOver) queueMicrotask(() => listeners.has(own) && own());
  return () => listeners.delete(own);
}
