// SPDX-License-Identifier: Apache-2.0
// Side inputs that stay valid from bundle to bundle, as many as fit into a number of bytes.

/**
 * What an entry takes besides its values, about: in a stream of very many windows whose values are small,
 * that is nearly all of it.
 */
const ENTRY_BYTES = 256;

/** What is kept of one window of one side input. */
export interface CachedSideInput {
  readonly value: unknown;
  /** Encoded size: what the values take in memory is a multiple of it. */
  readonly bytes: number;
  /** Of a strict plan, where something in it could not be frozen. */
  readonly hasChanged?: (() => boolean) | undefined;
}

interface Entry extends CachedSideInput {
  readonly token: string;
}

/**
 * Forgets what was used least recently, and contents that were replaced: there is one entry to a key, with the
 * token under which it was read. In memory values take up to some twenty times their bytes, so that replaced
 * ones are not to wait for their turn.
 */
export class SideInputCache {
  private readonly entries = new Map<string, Entry>();
  private total = 0;

  /** @param capacity - in encoded bytes, and what entries take besides */
  constructor(private readonly capacity: number) {}

  /** Bytes kept. */
  get bytes(): number {
    return this.total;
  }

  /** What was kept under the same token; anything under another is forgotten. */
  get(key: string, token: string): CachedSideInput | undefined {
    const found = this.entries.get(key);
    if (!found) return undefined;
    if (found.token !== token) {
      this.delete(key);
      return undefined;
    }
    // A Map keeps the order of insertion: the one used last goes to the end.
    this.entries.delete(key);
    this.entries.set(key, found);
    return found;
  }

  set(key: string, token: string, contents: CachedSideInput): void {
    this.delete(key);
    const bytes = sizeOf(contents);
    if (bytes > this.capacity) return;
    this.entries.set(key, { ...contents, token });
    this.total += bytes;
    if (this.total <= this.capacity) return;
    // Some more than must be: a Map walks over all that it lost so far to come to its first entry.
    let more = this.entries.size >> 6;
    for (const oldest of this.entries.keys()) {
      if (this.total <= this.capacity && more-- <= 0) break;
      this.delete(oldest);
    }
  }

  private delete(key: string): void {
    const contents = this.entries.get(key);
    if (contents) this.total -= sizeOf(contents);
    this.entries.delete(key);
  }
}

function sizeOf({ bytes }: CachedSideInput): number {
  return bytes + ENTRY_BYTES;
}
