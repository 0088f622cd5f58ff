// SPDX-License-Identifier: Apache-2.0
// A service that speaks what we use of Cloud Storage's JSON API, as strictly as its documentation has it (pieces of 256
// KiB, generations, what is kept of a request that broke off), which the emulators that there are do not, behind a proxy
// with faults. With TEST_GS_ENDPOINT it is the service there, such as Python's gcp-storage-emulator.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { StoreOptions } from '../../src/io/index.ts';
import { type Fault, listening, pass } from './faults.ts';

export interface TestStore extends AsyncDisposable {
  /** As it stands in paths. */
  readonly scheme: string;
  readonly stores: StoreOptions;
  readonly requests: string[];
  /** Decides what becomes of a request. */
  fault: ((method: string, url: string) => Fault | undefined) | undefined;
  put(key: string, body: string | Uint8Array): Promise<void>;
  get(key: string): Promise<string>;
  keys(): Promise<string[]>;
  /** How many uploads were begun, and neither ended nor given up; nothing where that cannot be told. */
  openUploads(): number | undefined;
}

export const BUCKET = 'birds';
const GRAIN = 256 * 1024;

interface Session {
  readonly key: string;
  bytes: Buffer;
  isOver: boolean;
}

function refusal(code: string, status: number) {
  const error = { code: status, message: code, errors: [{ reason: code, message: code }] };
  return { type: 'application/json; charset=UTF-8', body: JSON.stringify({ error }) };
}

export async function startGs(): Promise<TestStore> {
  const service = new Service();
  const server = createServer((incoming, outgoing) => service.answer(incoming, outgoing));
  const given = process.env.TEST_GS_ENDPOINT;
  const port = given ? Number(new URL(given).port) : await listening(server);
  const requests: string[] = [];
  const proxy = createServer((incoming, outgoing) => {
    const { method = '', url = '' } = incoming;
    requests.push(`${method} ${url}`);
    pass(incoming, outgoing, port, store.fault?.(method, url), refusal);
  });
  const proxyPort = await listening(proxy);
  service.origin = `http://127.0.0.1:${proxyPort}`;
  const at = `http://127.0.0.1:${port}/storage/v1/b`;
  await fetch(at, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: BUCKET }),
  });
  const upload = `http://127.0.0.1:${port}/upload/storage/v1/b/${BUCKET}/o?uploadType=media&name=`;
  const store: TestStore = {
    scheme: 'gs',
    stores: { gs: { endpoint: `http://127.0.0.1:${proxyPort}`, anonymous: true } },
    requests,
    fault: undefined,
    async put(key, body) {
      await fetch(upload + encodeURIComponent(key), { method: 'POST', body });
    },
    async get(key) {
      return (await fetch(`${at}/${BUCKET}/o/${encodeURIComponent(key)}?alt=media`)).text();
    },
    async keys() {
      const listed = (await (await fetch(`${at}/${BUCKET}/o`)).json()) as {
        items?: { name: string }[];
      };
      return (listed.items ?? []).map(({ name }) => name).sort();
    },
    openUploads: () => (given ? undefined : service.openUploads()),
    async [Symbol.asyncDispose]() {
      for (const one of [proxy, server]) {
        one.closeAllConnections();
        await new Promise((resolve) => one.close(resolve));
      }
    },
  };
  return store;
}

interface Reply {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: Buffer | string;
}

function say(status: number, value: unknown = '', more: Record<string, string> = {}): Reply {
  const headers = { 'content-type': 'application/json; charset=UTF-8', ...more };
  return { status, headers, body: value === '' ? '' : JSON.stringify(value) };
}

function refuse(status: number, message: string): Reply {
  return say(status, { error: { code: status, message } });
}

class Service {
  origin = '';
  private readonly buckets = new Set<string>();
  private readonly objects = new Map<string, { bytes: Buffer; generation: string }>();
  private readonly sessions = new Map<string, Session>();
  private generations = 1_700_000_000_000_000;

  openUploads(): number {
    return [...this.sessions.values()].filter(({ isOver }) => !isOver).length;
  }

  answer(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    const settle = (isWhole: boolean) => {
      const reply = this.replyTo(incoming, Buffer.concat(chunks), isWhole);
      outgoing.writeHead(reply.status, reply.headers).end(reply.body);
    };
    incoming.on('end', () => settle(true));
    incoming.on('error', () => settle(false));
  }

  private replyTo(
    { method, url = '', headers }: IncomingMessage,
    body: Buffer,
    isWhole: boolean,
  ): Reply {
    const { pathname, searchParams } = new URL(url, 'http://service');
    const session = this.sessions.get(searchParams.get('upload_id') ?? '');
    if (session) return this.goOn(session, method, headers, body, isWhole);
    if (!isWhole) return say(400);
    if (method === 'POST' && pathname === '/storage/v1/b') {
      this.buckets.add((JSON.parse(body.toString()) as { name: string }).name);
      return say(200, {});
    }
    const [, isUpload, bucket = '', key] =
      /^(\/upload)?\/storage\/v1\/b\/([^/]+)\/o(?:\/([^/]+))?$/.exec(pathname) ?? [];
    if (!this.buckets.has(bucket)) return refuse(404, 'The specified bucket does not exist.');
    if (isUpload) {
      const name = searchParams.get('name')!;
      if (searchParams.get('uploadType') === 'media') return say(200, this.made(name, body));
      const id = `upload-${this.sessions.size}`;
      this.sessions.set(id, { key: name, bytes: Buffer.alloc(0), isOver: false });
      const location = `${this.origin}${pathname}?uploadType=resumable&name=${encodeURIComponent(name)}&upload_id=${id}`;
      return say(200, '', { location });
    }
    if (key === undefined) {
      // Pages of two, so that there are some.
      const names = [...this.objects.keys()].sort();
      const after = searchParams.get('pageToken') ?? '';
      const prefix = searchParams.get('prefix') ?? '';
      const left = names.filter((name) => name.startsWith(prefix) && name > after);
      const some = searchParams.has('fields') ? left.slice(0, 2) : left;
      const more = some.length < left.length && { nextPageToken: some.at(-1) };
      const kind = 'storage#objects';
      return say(200, { kind, items: some.map((name) => ({ name })), ...more });
    }
    const name = decodeURIComponent(key);
    const object = this.objects.get(name);
    if (!object) return refuse(404, `No such object: ${bucket}/${name}`);
    if (method === 'DELETE') {
      this.objects.delete(name);
      return say(204);
    }
    const { bytes, generation } = object;
    if (searchParams.get('alt') !== 'media')
      return say(200, { size: `${bytes.length}`, generation });
    if ((searchParams.get('ifGenerationMatch') ?? generation) !== generation)
      return refuse(412, 'At least one of the pre-conditions you specified did not hold.');
    const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
    const part = start === undefined ? bytes : bytes.subarray(Number(start), Number(end) + 1);
    const range = start !== undefined && {
      'content-range': `bytes ${start}-${Number(start) + part.length - 1}/${bytes.length}`,
    };
    const told = { 'x-goog-generation': generation, ...range };
    return { status: range ? 206 : 200, headers: told, body: part };
  }

  private goOn(
    session: Session,
    method: string | undefined,
    headers: IncomingMessage['headers'],
    body: Buffer,
    isWhole: boolean,
  ): Reply {
    if (method === 'DELETE') {
      session.isOver = true;
      return say(499);
    }
    const object = this.objects.get(session.key);
    if (session.isOver)
      return object ? say(200, { size: `${object.bytes.length}` }) : refuse(410, 'Gone');
    const [, start, total] =
      /^bytes (?:\*|(\d+)-\d+)\/(\*|\d+)$/.exec(headers['content-range'] ?? '') ?? [];
    if (total === undefined) return refuse(400, 'no Content-Range');
    if (start !== undefined && Number(start) !== session.bytes.length)
      return refuse(503, `there are ${session.bytes.length} bytes, and not ${start}`);
    const isLast = isWhole && session.bytes.length + body.length === Number(total);
    if (isWhole && !isLast && body.length % GRAIN !== 0)
      return refuse(400, `a piece of ${body.length} bytes`);
    const kept = isLast ? body : body.subarray(0, body.length - (body.length % GRAIN));
    session.bytes = Buffer.concat([session.bytes, kept]);
    if (isLast) {
      session.isOver = true;
      return say(200, this.made(session.key, session.bytes));
    }
    const { length } = session.bytes;
    return say(308, '', length > 0 ? { range: `bytes=0-${length - 1}` } : {});
  }

  private made(name: string, bytes: Buffer) {
    this.generations += 1;
    this.objects.set(name, { bytes, generation: `${this.generations}` });
    return { name, size: `${bytes.length}`, generation: `${this.generations}` };
  }
}
