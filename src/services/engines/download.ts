// SPDX-License-Identifier: Apache-2.0
// Files that are fetched once: checked against the checksum beside them, and in place only when whole.

import { createHash, randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { access, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { BeamBridgeError, conceal } from '../../base/index.ts';
import { folderError, makeFolder } from '../python/cache.ts';
import { acquireLock } from '../python/lock.ts';

/** Digests that repositories keep beside a file, the better one first. */
const DIGESTS = ['sha256', 'sha1'] as const;
/** Bytes between two words about a download. */
const SAID_EVERY = 25_000_000;

/** How a file is fetched. */
export interface DownloadOptions {
  /** A user and a password in it are sent as HTTP's basic authorization. */
  readonly url: string;
  /** Where it is kept. A file that is there already is taken as it is. */
  readonly file: string;
  /** What to do when it cannot be had. */
  readonly hint: string;
  onProgress(message: string): void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Fetches a file unless it is there.
 *
 * @throws BeamBridgeError `ENGINE_NOT_FOUND`, `ENGINE_MISMATCH` where it is not what its checksum says, `ABORTED`
 */
export async function download(options: DownloadOptions): Promise<string> {
  const { file, signal } = options;
  if (await isThere(file)) return file;
  await makeFolder(path.dirname(file));
  await using _lock = await acquireLock(`${file}.lock`, { signal });
  // Whoever held the lock may just have fetched it.
  if (await isThere(file)) return file;
  const part = `${file}.${randomBytes(4).toString('hex')}.part`;
  try {
    const [kind, expected] = await digestOf(options);
    const actual = await receive(options, part, kind);
    if (actual !== expected) {
      throw new BeamBridgeError(
        'ENGINE_MISMATCH',
        `${shown(options.url)} is not what its ${kind} says`,
        {
          hint: `It was damaged on the way, or is another file. ${options.hint}`,
        },
      );
    }
    await rename(part, file);
  } finally {
    await rm(part, { force: true });
  }
  return file;
}

async function isThere(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

async function digestOf(options: DownloadOptions): Promise<[(typeof DIGESTS)[number], string]> {
  for (const kind of DIGESTS) {
    const response = await get(withPath(options.url, `.${kind}`), options);
    const digest = response.ok
      ? /^[0-9a-f]{40,64}\b/.exec((await response.text()).trim())?.[0]
      : '';
    if (digest) return [kind, digest];
  }
  const { ok, status } = await get(options.url, options, 'HEAD');
  if (!ok) throw notThere(options, status);
  throw new BeamBridgeError('ENGINE_NOT_FOUND', `there is no checksum of ${shown(options.url)}`, {
    hint: options.hint,
  });
}

async function receive(options: DownloadOptions, part: string, kind: string): Promise<string> {
  const { url, onProgress } = options;
  const response = await get(url, options);
  if (!response.ok || !response.body) throw notThere(options, response.status);
  const total = Number(response.headers.get('content-length') ?? 0);
  const name = path.basename(new URL(url).pathname);
  const whole = total > 0 ? ` of ${megabytes(total)}` : '';
  onProgress(`fetching ${name} (once${total > 0 ? `, ${megabytes(total)}` : ''})…`);
  const hash = createHash(kind);
  let received = 0;
  let said = 0;
  const counted = new Transform({
    transform(chunk: Buffer, _, done) {
      hash.update(chunk);
      received += chunk.length;
      if (received - said >= SAID_EVERY) {
        said = received;
        onProgress(`${name}: ${megabytes(received)}${whole}`);
      }
      done(null, chunk);
    },
  });
  const body = Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]);
  try {
    await pipeline(body, counted, createWriteStream(part));
  } catch (error) {
    if (options.signal?.aborted) throw aborted(url);
    if ((error as NodeJS.ErrnoException).syscall)
      throw folderError(error, part, 'ENGINE_NOT_FOUND');
    throw broken(options, error);
  }
  return hash.digest('hex');
}

async function get(url: string, options: DownloadOptions, method = 'GET'): Promise<Response> {
  const signal = options.signal ?? null;
  const { address, headers } = withoutUser(url);
  return fetch(address, { method, signal, headers }).catch((error: unknown) => {
    throw options.signal?.aborted ? aborted(url) : broken(options, error);
  });
}

/** Where a file is that stands beside another, or in a folder: what follows a `?` stays behind it. */
export function withPath(url: string, more: string): string {
  const address = new URL(url);
  address.pathname += more;
  return address.href;
}

/** fetch() takes no address with a user. One that redirects elsewhere does not hand the header on. */
function withoutUser(url: string): { address: string; headers: Record<string, string> } {
  const address = new URL(url);
  const { username, password } = address;
  if (username === '' && password === '') return { address: url, headers: {} };
  const user = [username, password].map(unescaped).join(':');
  address.username = '';
  address.password = '';
  return {
    address: address.href,
    headers: { authorization: `Basic ${Buffer.from(user).toString('base64')}` },
  };
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A password may hold a percent sign that escapes nothing.
    return text;
  }
}

/** An address as a message can hold it. */
function shown(url: string): string {
  return conceal(withoutUser(url).address);
}

function notThere({ url, hint }: DownloadOptions, status: number): BeamBridgeError {
  return new BeamBridgeError('ENGINE_NOT_FOUND', `${shown(url)} is not there: status ${status}`, {
    hint,
  });
}

function broken({ url, hint }: DownloadOptions, cause: unknown): BeamBridgeError {
  const { cause: inner } = cause as { cause?: unknown };
  const why = inner instanceof Error ? inner.message : String((cause as Error).message ?? cause);
  return new BeamBridgeError(
    'ENGINE_NOT_FOUND',
    `${shown(url)} cannot be fetched: ${conceal(why)}`,
    {
      hint,
      cause,
    },
  );
}

function aborted(url: string): BeamBridgeError {
  return new BeamBridgeError('ABORTED', `fetching ${shown(url)} was cancelled`);
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}
