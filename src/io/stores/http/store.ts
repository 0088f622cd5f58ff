// SPDX-License-Identifier: Apache-2.0
// Files of web servers, which can be read by their whole names. What a server says of a file is asked with the first byte
// of it, not with HEAD, which signed URLs do not allow.

import type { IncomingMessage } from 'node:http';
import { BeamBridgeError } from '../../../base/index.ts';
import { changed } from '../changed.ts';
import { again, isLost } from '../objects/again.ts';
import { lookOf } from '../objects/answers.ts';
import type { ObjectReader } from '../objects/client.ts';
import { namedObjects } from '../objects/store.ts';
import type { FileLook, Store } from '../store.ts';
import { Answered, get } from './request.ts';

const LOOK_MS = 60_000;

export function httpStore(scheme: 'http' | 'https', idleMs?: number): Store {
  const named = namedObjects(readerOf(scheme, idleMs ?? LOOK_MS), idleMs);
  return {
    ...named,
    pathOf(given) {
      checkUrl(given);
      return named.pathOf(given);
    },
    async find(path, _cwd, allowEmptyMatch) {
      if (await named.look(path)) return [path];
      if (allowEmptyMatch) return [];
      throw new BeamBridgeError('FILE_NOT_FOUND', `${path} is not there`, {
        hint: 'Files of web servers are given by their whole names: none are listed, and no pattern is matched.',
      });
    },
    outputs: undefined,
  };
}

/** @throws `INVALID_ARGUMENT` for what is no URL, and for one with a password, which errors and logs would tell */
function checkUrl(given: string): void {
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url && url.username === '' && url.password === '') return;
  throw new BeamBridgeError(
    'INVALID_ARGUMENT',
    url ? `a URL of ${url.host} has a password in it` : `${given} is no URL`,
    { hint: 'Only files that need no password can be read.' },
  );
}

function readerOf(scheme: string, idleMs: number): ObjectReader {
  const urlOf = (host: string, path: string) => `${scheme}://${host}/${path}`;
  return {
    scheme,
    credentials: 'Only files that anybody may read can be read, and those of signed URLs.',

    async look(host, path): Promise<FileLook | undefined> {
      const url = urlOf(host, path);
      const answer = await again(isLost, () =>
        get(url, { range: 'bytes=0-0' }, AbortSignal.timeout(idleMs)),
      );
      answer.destroy();
      // Its connection is closed, of which nobody needs to hear.
      answer.on('error', () => {});
      if (answer.statusCode === 404 || answer.statusCode === 410) return undefined;
      return lookOf(sizeOf(answer, url), tagOf(answer));
    },

    async get(host, path, tag, start, end, signal) {
      const url = urlOf(host, path);
      const headers = { range: `bytes=${start}-${end - 1}`, ...conditionOf(tag) };
      const answer = await get(url, headers, signal);
      const told = /^bytes (\d+)-(\d+)\//.exec(answer.headers['content-range'] ?? '');
      if (answer.statusCode !== 206) answer.destroy();
      // A file that was shortened ends in front of what was asked for.
      if (answer.statusCode === 416 || answer.statusCode === 200) throw changed(url);
      if (answer.statusCode !== 206) throw new Answered(answer.statusCode ?? 0);
      if (Number(told?.[1]) !== start || Number(told?.[2]) !== end - 1) {
        answer.destroy();
        throw changed(url);
      }
      return { version: tagOf(answer), chunks: answer };
    },
  };
}

/** @throws `UNSUPPORTED` for a server that gives whole files only */
function sizeOf(answer: IncomingMessage, url: string): number {
  const { statusCode = 0, headers } = answer;
  const total = /\/(\d+)$/.exec(headers['content-range'] ?? '')?.[1];
  if ((statusCode === 206 || statusCode === 416) && total !== undefined) return Number(total);
  if (statusCode === 200 && headers['content-length'] === '0') return 0;
  if (statusCode !== 200 && statusCode !== 206 && statusCode !== 416)
    throw new Answered(statusCode);
  throw new BeamBridgeError('UNSUPPORTED', `${url}: the server gives no parts of files`, {
    hint: 'Download the file first: without ranges (RFC 9110, section 14) a connection that is lost cannot be gone on with.',
  });
}

/** Which contents these are, as far as the server says it. */
function tagOf({ headers }: IncomingMessage): string {
  return headers.etag ?? headers['last-modified'] ?? '';
}

/** What has the server refuse other contents; a weak tag is compared when the answer is there. */
function conditionOf(tag: string): Record<string, string> {
  if (tag.startsWith('W/')) return {};
  return tag.startsWith('"') ? { 'if-match': tag } : { 'if-unmodified-since': tag };
}
