// SPDX-License-Identifier: Apache-2.0
// Sets, maps and multimaps that a DoFn keeps for each key and window: logs of entries in a bag.

import {
  BytesOf,
  type Coder,
  IterableCoder,
  JsCoder,
  KVCoder,
  ownCopyBy,
  storedForm,
} from '../coders/index.ts';
import { coderFor, keyCoderFor, type StateCell, StateParam, type StateType } from './state.ts';

interface Entry {
  readonly key: unknown;
  readonly values: readonly unknown[];
}

/** What is known of a key. Its values are an array of its own, which grows. */
interface Known extends Entry {
  readonly values: unknown[];
}

/** Entries by key: what the cell holds, and what this bundle did. */
class Entries {
  private readonly ids: BytesOf<unknown>;
  /** What all who read until now have seen, one after the other. */
  private loading: Promise<Map<string, Known>> | undefined;
  private log: { removes: boolean; entry: Entry }[] = [];
  private mustRewrite = false;

  constructor(
    private readonly cell: StateCell,
    private readonly keyCoder: Coder<unknown>,
    private readonly valueCoder: Coder<unknown>,
    private readonly keepsAll: boolean,
  ) {
    this.ids = new BytesOf(keyCoder);
  }

  idOf(key: unknown): string {
    return this.ids.of(key);
  }

  put(key: unknown, values: readonly unknown[]): void {
    this.record(false, {
      key: storedForm(this.keyCoder, key),
      values: values.map((value) => storedForm(this.valueCoder, value)),
    });
  }

  remove(key: unknown): void {
    this.mustRewrite = true;
    this.record(true, { key: storedForm(this.keyCoder, key), values: [] });
  }

  private record(removes: boolean, entry: Entry): void {
    // Encoding now says at once when a key does not fit its type.
    this.idOf(entry.key);
    this.log.push({ removes, entry });
  }

  /** The entries as they are now: what is done while they are on the way is for later reads to see. */
  load(): Promise<Map<string, Known>> {
    const before = this.loading ?? this.cell.read().then((stored) => this.entriesOf(stored));
    const log = this.takeLog();
    this.loading = before.then((entries) => {
      for (const { removes, entry } of log) {
        if (removes) entries.delete(this.idOf(entry.key));
        else this.apply(entries, entry);
      }
      return entries;
    });
    return this.loading;
  }

  private entriesOf(stored: readonly unknown[]): Map<string, Known> {
    const entries = new Map<string, Known>();
    for (const one of stored) {
      const { key, value } = one as { key: unknown; value: Iterable<unknown> };
      this.apply(entries, { key, values: [...value] });
    }
    if (stored.length > 2 * entries.size) this.mustRewrite = true;
    return entries;
  }

  /** What was done since the last read; the cell has it as well then, unless it is written anew. */
  private takeLog() {
    const { log } = this;
    this.log = [];
    if (!this.mustRewrite) for (const { entry } of log) this.append(entry);
    return log;
  }

  private apply(entries: Map<string, Known>, { key, values }: Entry): void {
    const id = this.idOf(key);
    const known = entries.get(id);
    if (!known || !this.keepsAll) entries.set(id, { key, values: [...values] });
    else for (const value of values) known.values.push(value);
  }

  private append({ key, values }: Entry): void {
    // Cleared while a read waited: what was there before belongs to that read alone.
    if (this.cell.overlay !== this) return;
    this.cell.append({ key, value: values });
  }

  async settle(): Promise<void> {
    if (!this.mustRewrite) {
      this.takeLog();
      return;
    }
    const entries = await this.load();
    if (this.cell.overlay !== this) return;
    this.cell.clear();
    for (const entry of entries.values()) this.append(entry);
    this.mustRewrite = false;
  }
}

abstract class KeyedState<K, V> extends StateParam {
  private readonly keys: Coder<unknown>;
  private readonly values: Coder<unknown>;

  constructor(
    keyCoder: Coder<K>,
    valueCoder: Coder<V>,
    private readonly keepsAll: boolean,
  ) {
    super(new KVCoder(keyCoder, new IterableCoder(valueCoder)) as Coder<unknown>);
    this.keys = keyCoder as Coder<unknown>;
    this.values = valueCoder as Coder<unknown>;
  }

  protected get entries(): Entries {
    const { cell } = this;
    cell.overlay ??= new Entries(cell, this.keys, this.values, this.keepsAll);
    return cell.overlay as Entries;
  }

  protected async valuesOf(key: K): Promise<V[]> {
    const { entries } = this;
    const id = entries.idOf(key);
    const values = (await entries.load()).get(id)?.values ?? [];
    return values.map((value) => ownCopyBy(this.values, value) as V);
  }

  protected async hasKey(key: K): Promise<boolean> {
    const { entries } = this;
    const id = entries.idOf(key);
    return (await entries.load()).has(id);
  }

  protected async all(): Promise<[K, V[]][]> {
    const found = [...(await this.entries.load()).values()];
    return found.map(({ key, values }) => [
      ownCopyBy(this.keys, key) as K,
      values.map((value) => ownCopyBy(this.values, value) as V),
    ]);
  }
}

/** Different values. */
export class SetState<T> extends KeyedState<T, never> {
  add(value: T): void {
    this.entries.put(value, []);
  }

  remove(value: T): void {
    this.entries.remove(value);
  }

  has(value: T): Promise<boolean> {
    return this.hasKey(value);
  }

  async read(): Promise<T[]> {
    return (await this.all()).map(([value]) => value);
  }
}

/** One value for each key of its own. */
export class MapState<K, V> extends KeyedState<K, V> {
  set(key: K, value: V): void {
    this.entries.put(key, [value]);
  }

  remove(key: K): void {
    this.entries.remove(key);
  }

  async get(key: K): Promise<V | undefined> {
    return (await this.valuesOf(key))[0];
  }

  has(key: K): Promise<boolean> {
    return this.hasKey(key);
  }

  async read(): Promise<[K, V][]> {
    return (await this.all()).map(([key, [value]]) => [key, value as V]);
  }
}

/** Any number of values for each key of its own. */
export class MultimapState<K, V> extends KeyedState<K, V> {
  add(key: K, value: V): void {
    this.entries.put(key, [value]);
  }

  remove(key: K): void {
    this.entries.remove(key);
  }

  async get(key: K): Promise<V[]> {
    return this.valuesOf(key);
  }

  has(key: K): Promise<boolean> {
    return this.hasKey(key);
  }

  read(): Promise<[K, V[]][]> {
    return this.all();
  }
}

/** A set of values for each key and window. */
export function setState<T>(type?: StateType<T>): SetState<T> {
  return new SetState<T>(
    keyCoderFor(type, 'a member of a set state'),
    new JsCoder() as Coder<unknown> as Coder<never>,
    false,
  );
}

/** A map for each key and window. */
export function mapState<K, V>(keyType?: StateType<K>, valueType?: StateType<V>): MapState<K, V> {
  return new MapState<K, V>(
    keyCoderFor(keyType, 'a key of a map state'),
    coderFor(valueType),
    false,
  );
}

/** A map with several values to a key, for each key and window. */
export function multimapState<K, V>(
  keyType?: StateType<K>,
  valueType?: StateType<V>,
): MultimapState<K, V> {
  return new MultimapState<K, V>(
    keyCoderFor(keyType, 'a key of a multimap state'),
    coderFor(valueType),
    true,
  );
}
