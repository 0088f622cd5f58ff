// SPDX-License-Identifier: Apache-2.0
// Requests to Cloud Storage: its JSON API by Node's own client, with the credentials that Google's package finds. Its
// package for storage would hide how far an upload came, which is to appear at the commit and not before, and takes the
// compression off that objects were stored with, so that places in them meant nothing.

import type { IncomingMessage } from 'node:http';
import { type Asked, ask } from '../http/request.ts';
import { again, isPassing } from '../objects/again.ts';
import { TornTransfer } from '../objects/failures.ts';
import type { GsStoreOptions } from '../options.ts';
import { googleCredentials } from './package.ts';

const GOOGLES = 'https://storage.googleapis.com';

/** What the service answered that is no success. */
export class GsRefusal extends Error {
  constructor(
    readonly statusCode: number,
    message: string,
  ) {
    super(message);
  }
}

/** An answer that has come whole. */
export interface GsAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

export class GsService {
  private readonly endpoint: string;
  private readonly isAnonymous: boolean;
  private credentials: ReturnType<typeof googleCredentials> | undefined;

  constructor(
    private readonly options: GsStoreOptions,
    /** After so long without a byte either way a request is given up. */
    private readonly idleMs: number,
  ) {
    const emulator = process.env.STORAGE_EMULATOR_HOST || undefined;
    const given = options.endpoint ?? emulator ?? GOOGLES;
    this.endpoint = (/^https?:/.test(given) ? given : `http://${given}`).replace(/\/+$/, '');
    // As Google's own packages have it.
    const isEmulated = options.endpoint === undefined && emulator !== undefined;
    this.isAnonymous = options.anonymous ?? isEmulated;
  }

  /** @param path - of the API, such as `/storage/v1/b/BUCKET/o` */
  urlOf(path: string, query: Readonly<Record<string, string | undefined>>): URL {
    const url = new URL(this.endpoint + path);
    const { userProject } = this.options;
    for (const [name, value] of Object.entries({ ...query, userProject }))
      if (value !== undefined) url.searchParams.set(name, value);
    return url;
  }

  /** One request with credentials, and its answer whatever it is, with a body that is still to come. */
  async open(url: URL, asked: Asked): Promise<IncomingMessage> {
    return ask(url, {
      ...asked,
      headers: { ...asked.headers, ...(await this.authorization(url)) },
    });
  }

  /** One request with credentials, and the whole answer. */
  async send(url: URL, asked: Asked): Promise<GsAnswer> {
    return answerOf(await this.open(url, { ...asked, idleMs: this.idleMs }));
  }

  /** One request of an upload, whose URL stands for the credentials that it was begun with. */
  async sendOn(session: string, asked: Asked): Promise<GsAnswer> {
    return answerOf(await ask(new URL(session), { ...asked, idleMs: this.idleMs }));
  }

  /** A request that may be made again, until it succeeds. */
  repeat(url: URL, asked: Asked): Promise<GsAnswer> {
    return again(isPassing, async () => succeeded(await this.send(url, asked)));
  }

  private async authorization(url: URL): Promise<Readonly<Record<string, string>>> {
    if (this.isAnonymous) return {};
    this.credentials ??= googleCredentials();
    // What is missing may be there before the next run of a program that goes on.
    this.credentials.catch(() => {
      this.credentials = undefined;
    });
    const headers = await (await this.credentials).getRequestHeaders(url.href);
    return headers instanceof Headers ? Object.fromEntries(headers) : headers;
  }
}

/** @throws {@link GsRefusal} for what is no success */
export function succeeded(answer: GsAnswer): GsAnswer {
  if (answer.status >= 200 && answer.status < 300) return answer;
  throw refusalOf(answer);
}

export function refusalOf({ status, text }: GsAnswer): GsRefusal {
  return new GsRefusal(status, messageOf(text) || `the service answers ${status}`);
}

/** Of a refusal: `{ error: { message } }`, or a text. */
function messageOf(text: string): string {
  try {
    const { error } = JSON.parse(text) as { error?: { message?: string } | string };
    return (typeof error === 'object' ? error.message : error) ?? '';
  } catch {
    return text.slice(0, 200);
  }
}

export async function answerOf(answer: IncomingMessage): Promise<GsAnswer> {
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of answer) chunks.push(chunk as Uint8Array);
  } catch (cause) {
    throw new TornTransfer('the answer broke off', { cause });
  }
  const { statusCode: status = 0, headers } = answer;
  return { status, headers, text: Buffer.concat(chunks).toString() };
}

/** A text of JSON, of which something in between may have made another. */
export function said<T>(text: string): T {
  try {
    return (JSON.parse(text) ?? {}) as T;
  } catch (cause) {
    throw new Error(`the service answers with no JSON: ${text.slice(0, 60)}`, { cause });
  }
}
