// SPDX-License-Identifier: Apache-2.0
// Which store a path is of.

import { BeamBridgeError } from '../../base/index.ts';
import { localStore } from './local/store.ts';
import type { FileLook, OpenFile, Outputs, Store } from './store.ts';

const PYTHONS = { read: 'ReadFromText', written: 'WriteToText' } as const;

/** The scheme of a URL; nothing for a path. */
function schemeOf(path: string): string | undefined {
  return /^([a-z][a-z0-9+.-]+):\/\//i.exec(path)?.[1]?.toLowerCase();
}

/** @throws `UNSUPPORTED` for a URL of a store that is not known, which would otherwise be a folder of that name */
export function storeOf(path: string, done: 'read' | 'written'): Store {
  const scheme = schemeOf(path);
  if (scheme === undefined || scheme === 'file') return localStore;
  throw new BeamBridgeError('UNSUPPORTED', `${path}: only local files can be ${done} here`, {
    hint: `Use pythonTransform('apache_beam.io.${PYTHONS[done]}', …) for ${scheme} files.`,
  });
}

/** @throws `UNSUPPORTED` for a store that is not known, or that files can only be read of */
export function outputsFor(path: string): Outputs {
  const { outputs } = storeOf(path, 'written');
  if (outputs) return outputs;
  throw new BeamBridgeError('UNSUPPORTED', `${path}: files can only be read there`, {
    hint: 'Choose a prefix in another store.',
  });
}

/** Opens a file for reading, as {@link Store.open} does. */
export function openFile(path: string, version?: string): Promise<OpenFile> {
  return storeOf(path, 'read').open(path, version);
}

/** What a file is, or nothing where there is none. */
export function lookAt(path: string): Promise<FileLook | undefined> {
  return storeOf(path, 'read').look(path);
}
