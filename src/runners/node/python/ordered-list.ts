// SPDX-License-Identifier: Apache-2.0
// Ordered lists, which Python's SDK asks for by range, kept as bags of their entries: an entry is its
// sort key and its value with the length in front, as it travels.

import { ByteReader } from '../../../base/index.ts';
import type { UserState, UserStateKey } from '../../../harness/index.ts';
import type { fn } from '../../../proto/index.ts';

type ListKey = fn.StateKey_OrderedListUserState;

interface Entry {
  readonly at: bigint;
  readonly bytes: Uint8Array;
}

export class OrderedLists {
  constructor(private readonly state: UserState) {}

  /** The entries of the key's range in their order. */
  async *read(key: ListKey): AsyncIterable<Uint8Array> {
    const entries = (await this.entries(key)).filter(({ at }) => isWithin(at, key));
    if (entries.length > 0) yield Buffer.concat(entries.map(({ bytes }) => bytes));
  }

  append(key: ListKey, data: Uint8Array): Promise<void> {
    return this.state.append(bagOf(key), data);
  }

  /** Removes the entries of the key's range. */
  async clear(key: ListKey): Promise<void> {
    const bag = bagOf(key);
    const left = (await this.entries(key)).filter(({ at }) => !isWithin(at, key));
    await this.state.clear(bag);
    if (left.length > 0) {
      await this.state.append(bag, Buffer.concat(left.map(({ bytes }) => bytes)));
    }
  }

  private async entries(key: ListKey): Promise<Entry[]> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.state.read(bagOf(key))) chunks.push(chunk);
    const data = Buffer.concat(chunks);
    const input = new ByteReader(data);
    const entries: Entry[] = [];
    while (!input.done) {
      const start = input.position;
      const at = input.varint64();
      input.bytes(input.varint());
      entries.push({ at, bytes: data.subarray(start, input.position) });
    }
    // Those of one key stay in the order in which they were added.
    return entries.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  }
}

/** Without a range, everything. */
function isWithin(at: bigint, { range }: ListKey): boolean {
  return !range || (at >= range.start && at < range.end);
}

function bagOf({ transformId, userStateId, window, key }: ListKey): UserStateKey {
  return { transformId, userStateId, window, key };
}
