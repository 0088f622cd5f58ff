// SPDX-License-Identifier: Apache-2.0
// Who wants to hear of a host's end. A host may live for long: a promise of its end would keep all that
// ever waited for it, every run of a program.

import type { BeamBridgeError } from '../../base/index.ts';

/** A service of ours that others call, and whose end they must hear of. */
export interface Served {
  /** Resolves when the process is gone; never rejects. */
  readonly exited: Promise<unknown>;
  /** False once the process is gone. */
  readonly alive: boolean;
  /** Whether it is this program's alone: another one may then be started in its place. */
  readonly isOwn: boolean;
  /** Why calls to it fail now that it is gone. */
  diedError(): BeamBridgeError;
}

interface Exit {
  readonly listeners: Set<() => void>;
  isOver: boolean;
}

const exits = new WeakMap<Served, Exit>();

/** Calls `listener` once the host is gone, soon if it is; returns a function that takes it back. */
export function onHostExit(host: Served, listener: () => void): () => void {
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
