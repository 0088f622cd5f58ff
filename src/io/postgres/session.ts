// SPDX-License-Identifier: Apache-2.0
// One connection: values come and go as texts, and what fails is an error of this package.

import { BeamBridgeError, nap } from '../../base/index.ts';
import { CopyIn } from './copy-in.ts';
import { type Failing, failure, isLost, mayPass } from './failures.ts';
import { FetchRows } from './fetch-rows.ts';
import {
  type ClientOptions,
  type PgClient,
  type PgPackage,
  type PgResult,
  pgPackage,
} from './package.ts';
import { writeSettings } from './settings.ts';

/** How long a server that starts anew, or has no connection left, is waited for. Milliseconds. */
const PATIENCE_MS = 10_000;
const PAUSE_MS = 250;

/** Every value is the text that the server writes. */
const AS_TEXT = { getTypeParser: () => (text: string) => text };

/** A connection. */
export class Session implements AsyncDisposable {
  private readonly secrets: string[] = [];
  private isClosed = false;

  private constructor(
    private readonly client: PgClient,
    private readonly of: string,
  ) {
    // Nothing listens otherwise while no statement is under way, and the program would end.
    client.on('error', () => {
      this.isClosed = true;
    });
  }

  /**
   * @param of - the transform, for messages
   * @param patience - how long a server is waited for. Milliseconds
   * @throws `PACKAGE_NOT_FOUND`, `INVALID_ARGUMENT`, `ENDPOINT_UNAVAILABLE`, `CREDENTIALS_REFUSED` and others
   */
  static async open(of: string, options: ClientOptions, patience = PATIENCE_MS): Promise<Session> {
    const pg = await pgPackage();
    const until = performance.now() + patience;
    for (;;) {
      const session = new Session(newClient(pg, of, options), of);
      try {
        await session.client.connect();
        session.keepSecret(session.client.password);
        return session;
      } catch (error) {
        session.keepSecret(session.client.password);
        await session.close();
        const what = `${of}: ${session.place} cannot be reached`;
        if (!mayPass(error) || performance.now() > until)
          throw failure(error, { what, secrets: session.secrets, isConnected: false });
        await nap(PAUSE_MS);
      }
    }
  }

  private keepSecret(secret: unknown): void {
    if (typeof secret === 'string' && secret !== '') this.secrets.push(secret);
  }

  /** The server and the database. */
  get place(): string {
    const { host, port, database } = this.client;
    return host.startsWith('/') ? `${host}, ${database}` : `${host}:${port}/${database}`;
  }

  /** Whether it is of no use any more. */
  get isOver(): boolean {
    return this.isClosed;
  }

  /** How a failure is told. */
  failing(what: string, isWriting = false): Failing {
    return {
      what: `${this.of}: ${what}`,
      secrets: this.secrets,
      isConnected: true,
      isWriting,
    };
  }

  /**
   * A statement, or several without values.
   *
   * @param values - texts, for `$1` and the like
   * @throws what pg throws
   */
  async ask(text: string, values?: readonly unknown[]): Promise<PgResult> {
    try {
      return await this.client.query({ text, rowMode: 'array', ...(values && { values }) });
    } catch (error) {
      if (isLost(error)) this.isClosed = true;
      throw error;
    }
  }

  /** Likewise. @throws `BeamBridgeError` that says what could not be done */
  async query(what: string, text: string, values?: readonly unknown[]): Promise<PgResult> {
    try {
      return await this.ask(text, values);
    } catch (error) {
      throw failure(error, this.failing(what));
    }
  }

  /** A COPY that takes rows. */
  copyIn(text: string): CopyIn {
    const copy = new CopyIn(text);
    this.client.query(copy);
    return copy;
  }

  /** A FETCH whose rows are taken bit by bit. */
  fetchRows(text: string): FetchRows {
    const fetch = new FetchRows(text);
    this.client.query(fetch);
    return fetch;
  }

  /** Whoever waits for nothing else may end. */
  unref(): void {
    this.client.unref();
  }

  /** A statement under way is given up, and with it its transaction. */
  async close(): Promise<void> {
    this.isClosed = true;
    // Whoever waits for the end of it must not be left behind by that of the program.
    this.client.ref();
    await this.client.end().catch(() => {
      // It is gone, which is what was wanted.
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** A connection that writes. */
export async function openWriting(
  of: string,
  options: ClientOptions,
  patience = PATIENCE_MS,
): Promise<Session> {
  const until = performance.now() + patience;
  for (;;) {
    const session = await Session.open(of, options, Math.max(0, until - performance.now()));
    try {
      await session.ask(writeSettings());
      return session;
    } catch (error) {
      await session.close();
      if (!mayPass(error) || performance.now() > until)
        throw failure(error, session.failing('a connection cannot be set up'));
    }
  }
}

function newClient(pg: PgPackage, of: string, options: ClientOptions): PgClient {
  try {
    return new pg.Client({ ...options, types: AS_TEXT });
  } catch {
    // What it says quotes the text, password and all.
    throw new BeamBridgeError('INVALID_ARGUMENT', `${of}: connectionString is none`, {
      hint: "It is 'postgres://user:password@host:5432/database'; other letters than A to Z and digits are escaped in a password, as encodeURIComponent does.",
    });
  }
}
