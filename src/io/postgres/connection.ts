// SPDX-License-Identifier: Apache-2.0
// How a server is reached: the options that reading and writing share. They stay in this process and its workers', which
// make them anew from the program: no graph has them.

import { BeamBridgeError, checkOptionNames, type OptionNames } from '../../base/index.ts';
import { describeValue } from '../../coders/index.ts';
import type { ClientOptions } from './package.ts';

/** A server, in parts. What is left out is as `psql` has it: of `PGHOST`, `PGUSER` and the like. */
export interface PostgresServer {
  /** A name, an address, or the folder of a socket. @default `PGHOST`, or `'localhost'` */
  host?: string;
  /** @default `PGPORT`, or 5432 */
  port?: number;
  /** @default `PGDATABASE`, or the user's name */
  database?: string;
  /** @default `PGUSER`, or the name of the user of the system */
  user?: string;
  /** The password, or a function that gives it when a connection is made. @default `PGPASSWORD`, or that of `~/.pgpass` */
  password?: string | (() => string | Promise<string>);
  /**
   * `true` for TLS with a certificate that is checked, or the options of Node's `tls.connect`, such as
   * `{ ca: readFileSync('ca.pem', 'utf8') }`.
   *
   * @default no TLS
   */
  ssl?: boolean | Readonly<Record<string, unknown>>;
}

/** How a server is reached: one of both, or neither where the environment says it. */
export interface PostgresConnection {
  /** In parts. */
  connection?: PostgresServer;
  /** As a URL: `postgres://user:password@host:5432/database?sslmode=verify-full`. */
  connectionString?: string | undefined;
}

/** The options of {@link PostgresConnection}, for lists of names. */
export const CONNECTION_OPTIONS = {
  connection: true,
  connectionString: true,
} as const satisfies Record<keyof PostgresConnection, true>;

const SERVER: OptionNames<PostgresServer> = {
  host: true,
  port: true,
  database: true,
  user: true,
  password: true,
  ssl: true,
};

/** How long a server may take to accept a connection. Milliseconds. */
const CONNECT_MS = 10_000;
/** After so long without a word the system asks whether the server is there. Milliseconds. */
const KEEP_ALIVE_MS = 10_000;

const HINT =
  "Give { connection: { host, database, user, password } }, or { connectionString: 'postgres://…' }.";

/** @throws `INVALID_ARGUMENT` for options that are not as described; their values may be secrets, and are not told */
export function checkConnection(of: string, given: PostgresConnection): ClientOptions {
  const { connection, connectionString } = given;
  if (connection !== undefined && connectionString !== undefined)
    throw wrong(of, 'connection and connectionString are both given');
  // What was meant to name a server must not become the one of this machine.
  if (Object.hasOwn(given, 'connectionString') && connectionString === undefined)
    throw wrong(of, 'connectionString is undefined: is the variable set that should hold it?');
  if (connectionString !== undefined) {
    if (typeof connectionString !== 'string' || connectionString === '')
      throw wrong(of, 'connectionString is no text');
    checkUrl(of, connectionString);
    return { ...common(), connectionString };
  }
  checkEnvironment(of, connection);
  if (connection === undefined) return common();
  checkOptionNames(`${of}: connection`, connection, SERVER);
  for (const [name, value] of Object.entries(connection))
    if (value === undefined)
      throw wrong(of, `connection.${name} is undefined: is the variable set that should hold it?`);
  const { port, ssl, password } = connection;
  for (const name of ['host', 'database', 'user'] as const) {
    const value = connection[name];
    if (value === undefined || (typeof value === 'string' && value !== '')) continue;
    throw wrong(of, `connection.${name} is ${describeValue(value)}`);
  }
  if (port !== undefined && !(Number.isInteger(port) && port > 0 && port < 2 ** 16))
    throw wrong(of, `connection.port is ${describeValue(port)}`);
  if (ssl !== undefined && typeof ssl !== 'boolean' && (typeof ssl !== 'object' || ssl === null))
    throw wrong(of, "connection.ssl is neither a boolean nor options of Node's tls.connect");
  if (password !== undefined && typeof password !== 'string' && typeof password !== 'function')
    throw wrong(of, 'connection.password is neither a text nor a function');
  return { ...common(), ...connection };
}

/** What `pg` would take for no TLS at all, where psql refuses it. */
const SSL_MODES = new Set([
  'disable',
  'allow',
  'prefer',
  'require',
  'verify-ca',
  'verify-full',
  'no-verify',
]);

/** Of what psql looks at and `pg` does not: it would be another server, in silence. */
function checkEnvironment(of: string, connection: PostgresServer | undefined): void {
  const { PGSERVICE, PGHOSTADDR, PGSSLMODE } = process.env;
  const isNamed = connection?.host !== undefined && connection.database !== undefined;
  if (PGSERVICE && !isNamed)
    throw wrong(of, 'PGSERVICE is set, whose file is not read: name host and database');
  if (PGHOSTADDR && connection?.host === undefined)
    throw wrong(of, 'PGHOSTADDR is set, which is not looked at: name the host');
  if (PGSSLMODE && connection?.ssl === undefined && !SSL_MODES.has(PGSSLMODE))
    throw wrong(of, `PGSSLMODE is ${describeValue(PGSSLMODE)}, which is none`);
}

/** Of a text that is no URL, or whose password is not escaped, `pg` takes a part of the password for the host, which messages tell. */
function checkUrl(of: string, url: string): void {
  const match = /^[a-z]+:\/\/([^/?#]*)(.*)$/is.exec(url);
  const [, authority = '', rest = ''] = match ?? [];
  const isSplit = /^[^?]*@/.test(rest) || (rest.includes('@') && !/@|^$/.test(authority));
  if (isSplit || !(match || url.startsWith('/'))) {
    throw new BeamBridgeError('INVALID_ARGUMENT', `${of}: connectionString is none`, {
      hint: "It is 'postgres://user:password@host:5432/database'; letters of a password such as / ? # @ are escaped, as encodeURIComponent does.",
    });
  }
  const mode = /[?&]sslmode=([^&#]*)/i.exec(rest)?.[1] ?? process.env.PGSSLMODE;
  if (mode !== undefined && mode !== '' && !SSL_MODES.has(mode))
    throw wrong(of, `sslmode is ${describeValue(mode)}, which is none`);
}

function common(): ClientOptions {
  return {
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    fallback_application_name: 'beambridge',
  };
}

function wrong(of: string, message: string): BeamBridgeError {
  return new BeamBridgeError('INVALID_ARGUMENT', `${of}: ${message}`, { hint: HINT });
}
