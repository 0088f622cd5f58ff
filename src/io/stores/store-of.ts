// SPDX-License-Identifier: Apache-2.0
// Which store a path is of.

import { BeamBridgeError } from '../../base/index.ts';
import { azObjects } from './az/client.ts';
import { gsObjects } from './gs/client.ts';
import { httpStore } from './http/store.ts';
import { localStore } from './local/store.ts';
import { objectStore } from './objects/store.ts';
import type { StoreOptions } from './options.ts';
import { s3Objects } from './s3/client.ts';
import type { FileLook, OpenFile, Outputs, Store } from './store.ts';

const PYTHONS = { read: 'ReadFromText', written: 'WriteToText' } as const;
const STORES: Readonly<Record<string, (options: StoreOptions) => Store>> = {
  http: ({ idleTimeout }) => httpStore('http', idleTimeout),
  https: ({ idleTimeout }) => httpStore('https', idleTimeout),
  gs: ({ gs, idleTimeout }) => objectStore(gsObjects(gs, idleTimeout), idleTimeout),
  az: ({ az, idleTimeout }) => objectStore(azObjects(az, idleTimeout), idleTimeout),
  s3: ({ s3, idleTimeout }) => objectStore(s3Objects(s3, idleTimeout), idleTimeout),
};

/** By scheme and options: a store has connections, and knows what is being sent to it. */
const made = new Map<string, Store>();

/** The scheme of a URL; nothing for a path. */
function schemeOf(path: string): string | undefined {
  return /^([a-z][a-z0-9+.-]+):\/\//i.exec(path)?.[1]?.toLowerCase();
}

/** @throws `UNSUPPORTED` for a URL of a store that is not known, which would otherwise be a folder of that name */
export function storeOf(path: string, done: 'read' | 'written', options: StoreOptions = {}): Store {
  const scheme = schemeOf(path);
  if (scheme === undefined || scheme === 'file') return localStore;
  const make = Object.hasOwn(STORES, scheme) ? STORES[scheme] : undefined;
  if (make) {
    const name = `${scheme} ${JSON.stringify(options)}`;
    const store = made.get(name) ?? make(options);
    made.set(name, store);
    return store;
  }
  const known = Object.keys(STORES).map((one) => `${one}://`);
  throw new BeamBridgeError('UNSUPPORTED', `${path}: ${scheme} files cannot be ${done} here`, {
    hint: `Local files can, and those of ${known.join(', ')}. Python may know it: pythonTransform('apache_beam.io.${PYTHONS[done]}', …).`,
  });
}

/** @throws `UNSUPPORTED` for a store that is not known, or that files can only be read of */
export function outputsFor(path: string, options?: StoreOptions): Outputs {
  const { outputs } = storeOf(path, 'written', options);
  if (outputs) return outputs;
  throw new BeamBridgeError('UNSUPPORTED', `${path}: files can only be read there`, {
    hint: 'Choose a prefix in another store.',
  });
}

/** Which file is read, and how it is reached. */
export interface ToOpen {
  readonly path: string;
  /** Which contents are meant; nothing for those that are there. */
  readonly version?: string | undefined;
  /** Where reading most likely ends. */
  readonly end?: number | undefined;
  readonly stores?: StoreOptions | undefined;
}

/** Opens a file for reading, as {@link Store.open} does. */
export function openFile({ path, version, end, stores }: ToOpen): Promise<OpenFile> {
  return storeOf(path, 'read', stores).open(path, version, end);
}

/** What a file is, or nothing where there is none. */
export function lookAt(path: string, options?: StoreOptions): Promise<FileLook | undefined> {
  return storeOf(path, 'read', options).look(path);
}
