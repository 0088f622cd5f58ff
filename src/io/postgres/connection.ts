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
    return { ...common(), connectionString };
  }
  if (connection === undefined) return common();
  checkOptionNames(`${of}: connection`, connection, SERVER);
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
  const options = Object.entries(connection).filter(([, value]) => value !== undefined);
  return { ...common(), ...Object.fromEntries(options) };
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
