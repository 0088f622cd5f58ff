// SPDX-License-Identifier: Apache-2.0
// A store of objects: what its package can, as readers and writers of files want it.

import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { BeamBridgeError } from '../../../base/index.ts';
import type { FileLook, OpenFile, Store } from '../store.ts';
import type { ObjectClient, ObjectReader } from './client.ts';
import { objectError, type Told } from './failures.ts';
import { ObjectOutputs } from './outputs.ts';
import { placeOf } from './path.ts';
import { isPattern, keyMatcher, literalPrefix, unescaped } from './patterns.ts';
import { ObjectFile, partsOfVersion } from './read.ts';

export const IDLE_MS = 60_000;
const PIECE = 1024 * 1024;

/** Reading by name, which all stores can. */
export function namedObjects(
  client: ObjectReader,
  idleMs = IDLE_MS,
): Pick<Store, 'pathOf' | 'absolute' | 'look' | 'open'> {
  const { scheme } = client;
  const look = async (path: string): Promise<FileLook | undefined> => {
    const { bucket, key } = placeOf(path);
    try {
      return versioned(path, await client.look(bucket, key));
    } catch (error) {
      throw objectError(error, toldOf(client, path));
    }
  };
  const open = async (path: string, version?: string, end?: number): Promise<OpenFile> => {
    const wanted = version ?? (await look(path))?.version;
    if (wanted === undefined) {
      throw new BeamBridgeError('FILE_NOT_FOUND', `${path} is not there`);
    }
    return new ObjectFile(client, placeOf(path), toldOf(client, path), wanted, end, idleMs);
  };
  return {
    pathOf: (given) => {
      placeOf(given);
      return given.replace(/^[^:]+/, scheme);
    },
    absolute: (prefix) => prefix,
    look,
    open,
  };
}

function toldOf({ credentials }: ObjectReader, path: string): Told {
  return { path, bucket: placeOf(path).bucket, credentials, done: 'read' };
}

/** @throws `UNSUPPORTED` for a service that tells no versions apart */
function versioned(path: string, found: FileLook | undefined): FileLook | undefined {
  if (!found || partsOfVersion(found.version).tag !== '') return found;
  throw new BeamBridgeError('UNSUPPORTED', `${path}: the server tells no versions apart`, {
    hint: 'Download the file first: without ETag (or Last-Modified of a web server, or a generation in gs://) nobody sees that it changes while it is read.',
  });
}

export function objectStore(client: ObjectClient, idleMs?: number): Store {
  const { scheme } = client;
  const named = namedObjects(client, idleMs);
  const { look, open } = named;
  const keysOf = async (path: string, prefix: string, most = Infinity): Promise<string[]> => {
    const keys: string[] = [];
    try {
      for await (const { key } of client.list(placeOf(path).bucket, prefix)) {
        keys.push(key);
        if (keys.length >= most) break;
      }
    } catch (error) {
      throw objectError(error, toldOf(client, path));
    }
    return keys;
  };
  const download = async (path: string, to: string) => {
    await using file = await open(path);
    await pipeline(() => bytesOf(file), createWriteStream(to));
  };
  return {
    ...named,
    outputs: new ObjectOutputs(client, download),

    async find(pattern, _cwd, allowEmptyMatch) {
      const { bucket, key } = placeOf(pattern);
      const pathTo = (one: string) => `${scheme}://${bucket}/${one}`;
      // First as a name, which may hold characters that mean something in a pattern.
      if (!key.endsWith('/') && (await look(pattern))) return [pattern];
      const plain = unescaped(key);
      if (!isPattern(key)) {
        if (plain !== key && (await look(pathTo(plain)))) return [pathTo(plain)];
        const below = await keysOf(pattern, `${plain.replace(/\/$/, '')}/`, 1);
        if (allowEmptyMatch) return [];
        throw nothing(pattern, below.length > 0);
      }
      const matches = keyMatcher(key);
      const keys = await keysOf(pattern, literalPrefix(key));
      // A key that ends with a slash stands for a folder.
      const found = keys.filter((one) => !one.endsWith('/') && matches(one)).map(pathTo);
      if (found.length > 0 || allowEmptyMatch) return found.sort();
      throw nothing(pattern, false);
    },
  };
}

function nothing(pattern: string, isFolder: boolean): BeamBridgeError {
  return isFolder
    ? new BeamBridgeError('FILE_NOT_FOUND', `${pattern} is a folder`, {
        hint: `Say which files in it: '${pattern.replace(/\/$/, '')}/*'.`,
      })
    : new BeamBridgeError('FILE_NOT_FOUND', `no file matches ${pattern}`);
}

async function* bytesOf(file: OpenFile): AsyncGenerator<Uint8Array> {
  for (let position = 0; ; ) {
    const buffer = Buffer.allocUnsafeSlow(PIECE);
    const { bytesRead } = await file.read(buffer, 0, PIECE, position);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    position += bytesRead;
  }
}
