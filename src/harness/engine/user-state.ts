// SPDX-License-Identifier: Apache-2.0
// The states of one DoFn in one bundle: read from the runner when first asked for, kept until the
// bundle ends, and written back then.

import { BeamBridgeError, ByteWriter, latin1 } from '../../base/index.ts';
import { type Coder, encodeValue, type KV, type WindowedValue } from '../../coders/index.ts';
import type { StateCell, StateParam } from '../../pipeline/index.ts';
import { readAll } from './read-all.ts';
import type { BundleScope } from './scope.ts';
import type { BundleState, UserStateKey } from './types.ts';

/** Cells of one operator by state, window and key. */
export class UserStates {
  private readonly cells = new Map<string, BagCell>();

  constructor(
    private readonly transformId: string,
    private readonly keyCoder: Coder<unknown>,
    private readonly windowCoder: Coder<unknown>,
    private readonly scope: BundleScope,
  ) {}

  startBundle(): void {
    this.cells.clear();
  }

  /** The contents of a state for the key and window of an element. */
  cell({ stateId, storedCoder }: StateParam, element: WindowedValue<unknown>): StateCell {
    const window = encodeValue(this.windowCoder, element.windows[0], true);
    const key = encodeValue(this.keyCoder, (element.value as KV<unknown, unknown>).key, true);
    const id = [stateId, latin1(window), latin1(key)].join('\u{10ffff}');
    let cell = this.cells.get(id);
    if (!cell) {
      const stateKey = { transformId: this.transformId, userStateId: stateId, window, key };
      cell = new BagCell(stateKey, storedCoder, this.userState());
      this.cells.set(id, cell);
    }
    return cell;
  }

  private userState(): NonNullable<BundleState['user']> {
    const { user } = this.scope.state;
    if (user) return user;
    throw new BeamBridgeError('UNSUPPORTED', 'this runner keeps no state for DoFns');
  }

  /** Writes back what changed. */
  async commit(): Promise<void> {
    await Promise.all([...this.cells.values()].map((cell) => cell.commit()));
    this.cells.clear();
  }
}

/** Bytes of which no more than the first page is fetched until all are asked for. */
class Pages {
  private readonly pages: AsyncIterator<Uint8Array>;
  private first: Promise<IteratorResult<Uint8Array>> | undefined;

  constructor(pages: AsyncIterable<Uint8Array>) {
    this.pages = pages[Symbol.asyncIterator]();
  }

  async isEmpty(): Promise<boolean> {
    this.first ??= this.next();
    return (await this.first).done === true;
  }

  /** All pages, once. */
  async *all(): AsyncGenerator<Uint8Array> {
    let page = await (this.first ?? this.next());
    this.first = undefined;
    for (; !page.done; page = await this.next()) yield page.value;
  }

  private async next(): Promise<IteratorResult<Uint8Array>> {
    let page = await this.pages.next();
    while (!page.done && page.value.length === 0) page = await this.pages.next();
    return page;
  }
}

class BagCell implements StateCell {
  overlay: StateCell['overlay'];
  private pages: Pages | undefined;
  private stored: Promise<readonly unknown[]> | undefined;
  private added: unknown[] = [];
  private cleared = false;

  constructor(
    private readonly key: UserStateKey,
    private readonly coder: Coder<unknown>,
    private readonly user: NonNullable<BundleState['user']>,
  ) {}

  async read(): Promise<readonly unknown[]> {
    // What is written or cleared while the contents are on the way is not for this read to see.
    const added = [...this.added];
    if (this.cleared) return added;
    this.stored ??= readAll(this.coder, this.fetched().all());
    return [...(await this.stored), ...added];
  }

  async isEmpty(): Promise<boolean> {
    if (this.added.length > 0) return false;
    if (this.cleared) return true;
    return this.stored ? (await this.stored).length === 0 : this.fetched().isEmpty();
  }

  private fetched(): Pages {
    this.pages ??= new Pages(this.user.read(this.key));
    return this.pages;
  }

  append(value: unknown): void {
    this.added.push(value);
  }

  clear(): void {
    this.cleared = true;
    this.added = [];
  }

  async commit(): Promise<void> {
    await this.overlay?.settle();
    const written: Promise<void>[] = [];
    if (this.cleared) written.push(this.user.clear(this.key));
    if (this.added.length > 0) {
      const out = new ByteWriter();
      for (const value of this.added) this.coder.encode(value, out, true);
      written.push(this.user.append(this.key, out.take()));
    }
    await Promise.all(written);
  }
}
