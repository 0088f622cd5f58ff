// SPDX-License-Identifier: Apache-2.0
// The bags that the DoFns of a stage keep for each key and window. A bundle writes into a layer of
// its own, which is laid over the rest when the bundle has succeeded.

import { latin1 } from '../../../base/index.ts';
import type { Instant } from '../../../coders/index.ts';
import type { BundleState, UserStateKey } from '../../../harness/index.ts';
import { Schedule, type Scheduled } from './times.ts';

type UserState = NonNullable<BundleState['user']>;
type Chunks = readonly Uint8Array[];

/** The bags of one window, which are forgotten together. */
interface WindowBags {
  readonly id: string;
  readonly bags: Map<string, Chunks>;
  /** Its place among all windows by their expiry. */
  end: Scheduled<WindowBags> | undefined;
}

/** What one bundle has changed. */
export interface StateLayer {
  readonly state: UserState;
  commit(): void;
}

export class UserStateStore {
  private readonly windows = new Map<string, WindowBags>();
  private readonly ends = new Schedule<WindowBags>();

  /** @param expiry - of an encoded window */
  constructor(private readonly expiry: (window: Uint8Array) => Instant) {}

  /** How many bags hold something. */
  get size(): number {
    let size = 0;
    for (const { bags } of this.windows.values()) size += bags.size;
    return size;
  }

  layer(): StateLayer {
    const changed = new Map<string, { key: UserStateKey; chunks: Uint8Array[] }>();
    const changedId = (key: UserStateKey) => joined(idOf(key), latin1(key.window));
    const set = (key: UserStateKey, chunks: Uint8Array[]) => {
      changed.set(changedId(key), { key, chunks });
    };
    const find = (key: UserStateKey) => this.find(key);
    return {
      state: {
        async *read(key) {
          yield* changed.get(changedId(key))?.chunks ?? find(key);
        },
        async append(key, data) {
          const before = changed.get(changedId(key));
          if (before) before.chunks.push(data);
          else set(key, [...find(key), data]);
        },
        async clear(key) {
          set(key, []);
        },
      },
      commit: () => {
        for (const { key, chunks } of changed.values()) this.put(key, chunks);
      },
    };
  }

  private find(key: UserStateKey): Chunks {
    return this.windows.get(latin1(key.window))?.bags.get(idOf(key)) ?? [];
  }

  private put(key: UserStateKey, chunks: Chunks): void {
    const id = latin1(key.window);
    let window = this.windows.get(id);
    if (chunks.length > 0) {
      window ??= this.newWindow(id, key.window);
      window.bags.set(idOf(key), chunks.length > 16 ? [Buffer.concat(chunks)] : chunks);
    } else if (window?.bags.delete(idOf(key)) && window.bags.size === 0) {
      this.windows.delete(id);
      if (window.end) this.ends.delete(window.end);
    }
  }

  private newWindow(id: string, encoded: Uint8Array): WindowBags {
    const window: WindowBags = { id, bags: new Map(), end: undefined };
    window.end = this.ends.add(this.expiry(encoded), window);
    this.windows.set(id, window);
    return window;
  }

  /** Forgets the windows that have expired before the watermark. */
  expire(watermark: Instant): void {
    while (this.ends.next !== undefined && this.ends.next < watermark) {
      this.windows.delete(this.ends.pop()!.id);
    }
  }
}

function idOf({ transformId, userStateId, key }: UserStateKey): string {
  return joined(transformId, userStateId, latin1(key));
}

function joined(...parts: string[]): string {
  return parts.join('\u{10ffff}');
}
