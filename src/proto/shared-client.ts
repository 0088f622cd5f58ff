// SPDX-License-Identifier: Apache-2.0
// Connections that outlive their clients. What is asked of a managed host is little, but each run of a program asks it in three
// places, and a connection of gRPC's takes some milliseconds until it can be used. So clients of one host share one, and the
// next run finds it there. An idle connection keeps no program from ending.

import type * as grpc from '@grpc/grpc-js';

interface Shared {
  readonly client: grpc.Client;
  users: number;
  calls: number;
}

/** By whom they lead to, and the address there. */
const all = new WeakMap<object, Map<string, Shared>>();

/** A part in a client, until it is closed. */
export interface SharedClient {
  readonly client: grpc.Client;
  /** Whether its connection is of an earlier client: the other side may have stopped to answer since. */
  readonly isKept: boolean;
  /** Counts a call until the returned function is called. */
  begin(): () => void;
  close(): void;
  /** Has later clients connect anew. */
  distrust(): void;
}

/** A part in the client of `owner` at `address`, which `make` makes if there is none. */
export function shareClient(owner: object, address: string, make: () => grpc.Client): SharedClient {
  const byAddress = all.get(owner) ?? new Map<string, Shared>();
  all.set(owner, byAddress);
  const known = byAddress.get(address);
  const shared = known ?? { client: make(), users: 0, calls: 0 };
  byAddress.set(address, shared);
  shared.users += 1;
  const forget = () => {
    if (byAddress.get(address) === shared) byAddress.delete(address);
  };
  let isClosed = false;
  return {
    client: shared.client,
    isKept: known !== undefined,
    begin: () => {
      shared.calls += 1;
      return () => {
        shared.calls -= 1;
      };
    },
    close: () => {
      if (isClosed) return;
      isClosed = true;
      shared.users -= 1;
      if (shared.users > 0) return;
      // Whatever is not plainly in order ends as a client of its own would.
      const isTrusted = byAddress.get(address) === shared;
      if (isTrusted && shared.calls === 0 && isConnected(shared.client)) return;
      forget();
      shared.client.close();
    },
    distrust: forget,
  };
}

/** ConnectivityState.READY. */
const READY = 2;

function isConnected(client: grpc.Client): boolean {
  return client.getChannel().getConnectivityState(false) === READY;
}
