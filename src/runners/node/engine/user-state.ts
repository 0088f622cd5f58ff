// SPDX-License-Identifier: Apache-2.0
// The bags that the DoFns of a stage keep for each key and window. A bundle writes into a layer of
// its own, which is laid over the rest when the bundle has succeeded.

import type { Instant } from '../../../coders/index.ts';
import type { BundleState, UserStateKey } from '../../../harness/index.ts';

type UserState = NonNullable<BundleState['user']>;

interface Bag {
  readonly maxTimestamp: Instant;
  chunks: readonly Uint8Array[];
}

/** What one bundle has changed. */
export interface StateLayer {
  readonly state: UserState;
  commit(): void;
}

export class UserStateStore {
  private readonly bags = new Map<string, Bag>();

  /** @param lastInstant - of an encoded window */
  constructor(private readonly lastInstant: (window: Uint8Array) => Instant) {}

  layer(): StateLayer {
    const changed = new Map<string, Bag>();
    const find = (id: string) => changed.get(id) ?? this.bags.get(id);
    const set = (key: UserStateKey, id: string, chunks: readonly Uint8Array[]) => {
      const maxTimestamp = find(id)?.maxTimestamp ?? this.lastInstant(key.window);
      changed.set(id, { maxTimestamp, chunks });
    };
    return {
      state: {
        async *read(key) {
          yield* find(idOf(key))?.chunks ?? [];
        },
        async append(key, data) {
          const id = idOf(key);
          set(key, id, [...(find(id)?.chunks ?? []), data]);
        },
        async clear(key) {
          const id = idOf(key);
          set(key, id, []);
        },
      },
      commit: () => {
        for (const [id, bag] of changed) {
          if (bag.chunks.length === 0) this.bags.delete(id);
          else this.bags.set(id, bag.chunks.length > 16 ? joined(bag) : bag);
        }
      },
    };
  }

  /** Forgets the windows that have expired before the watermark. */
  expire(watermark: Instant, allowedLateness: number): void {
    for (const [id, { maxTimestamp }] of this.bags) {
      if (maxTimestamp + allowedLateness < watermark) this.bags.delete(id);
    }
  }
}

/** Many small chunks as one: reading them is then as cheap as their bytes. */
function joined({ maxTimestamp, chunks }: Bag): Bag {
  return { maxTimestamp, chunks: [Buffer.concat(chunks)] };
}

function idOf({ transformId, userStateId, window, key }: UserStateKey): string {
  return [transformId, userStateId, latin1(window), latin1(key)].join('\u{10ffff}');
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
