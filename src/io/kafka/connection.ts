// SPDX-License-Identifier: Apache-2.0
// How a cluster is reached: the options that reading and writing share, and what they become for the
// clients.

import { BeamBridgeError } from '../../base/index.ts';
import { describeValue } from '../../coders/index.ts';
import type { ClientOptions } from './package.ts';

/** How clients prove who they are. */
export interface KafkaSasl {
  mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512' | 'OAUTHBEARER';
  /** The name, or a function that gives it when a connection is made. */
  username?: string | (() => string | Promise<string>);
  /** The password, or a function that gives it when a connection is made. */
  password?: string | (() => string | Promise<string>);
  /** For OAUTHBEARER: the token, or a function that gives it when a connection is made. */
  token?: string | (() => string | Promise<string>);
}

/** How a cluster is reached. */
export interface KafkaConnection {
  /** Brokers to ask first, as `host:port`; without a port it is 9092. */
  bootstrapServers: string | readonly string[];
  /** @default no authentication */
  sasl?: KafkaSasl;
  /**
   * `true`, or the options of Node's `tls.connect`, such as `{ ca: readFileSync('ca.pem') }`.
   *
   * @default no encryption
   */
  tls?: boolean | Readonly<Record<string, unknown>>;
  /** What brokers call this client in their logs. @default `'beambridge'` */
  clientId?: string;
}

/** The options of {@link KafkaConnection}, for lists of names. */
export const CONNECTION_OPTIONS = {
  bootstrapServers: true,
  sasl: true,
  tls: true,
  clientId: true,
} as const satisfies Record<keyof KafkaConnection, true>;

const MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'];
const DEFAULT_PORT = 9092;
/** How long a broker may take to accept a connection. Milliseconds. */
const CONNECT_MS = 5_000;
/** How long a broker may take to answer. Milliseconds. */
const REQUEST_MS = 30_000;

/** How a cluster is reached, checked. */
export interface Cluster {
  /** For messages. */
  readonly servers: string;
  readonly options: ClientOptions;
  /** What must not appear in messages. */
  readonly secrets: readonly string[];
  /** How long it may be away before that is an error, in milliseconds. @default a minute */
  readonly patienceMillis?: number;
}

/** @throws BeamBridgeError `INVALID_ARGUMENT` for options that are not as described */
export function checkConnection(of: string, given: KafkaConnection): Cluster {
  const { bootstrapServers, sasl, tls = false, clientId = 'beambridge' } = given;
  const servers = [bootstrapServers].flat();
  if (servers.length === 0 || !servers.every((server) => typeof server === 'string')) {
    throw invalid(of, 'bootstrapServers', bootstrapServers, "Give 'host:port', or several.");
  }
  // One text of several, as in Kafka's own configuration.
  const brokers = servers
    .flatMap((server) => server.split(','))
    .map((server) => parseServer(of, server.trim()));
  if (typeof clientId !== 'string' || !/^\S+$/.test(clientId)) {
    throw invalid(of, 'clientId', clientId, 'Give a name without spaces.');
  }
  if (typeof tls !== 'boolean' && (typeof tls !== 'object' || tls === null)) {
    throw invalid(of, 'tls', tls, "Give true, or options of Node's tls.connect.");
  }
  if (sasl !== undefined) checkSasl(of, sasl);
  return {
    servers: brokers.map(({ host, port }) => `${host}:${port}`).join(', '),
    options: {
      clientId,
      bootstrapBrokers: brokers,
      connectTimeout: CONNECT_MS,
      requestTimeout: REQUEST_MS,
      retries: 0,
      ...(sasl && { sasl }),
      ...(tls && { tls: tls === true ? {} : tls, tlsServerName: true }),
    },
    secrets: [sasl?.password, sasl?.token, passphraseOf(tls)].filter(
      (secret): secret is string => typeof secret === 'string' && secret !== '',
    ),
  };
}

function passphraseOf(tls: KafkaConnection['tls']): unknown {
  return typeof tls === 'object' ? tls.passphrase : undefined;
}

function parseServer(of: string, server: string): { host: string; port: number } {
  const [, host = '', port = DEFAULT_PORT] =
    /^(\[[0-9a-fA-F:]+\]|[^\s:/@[\]]+)(?::(\d{1,5}))?$/.exec(server) ?? [];
  if (host !== '' && Number(port) > 0 && Number(port) < 2 ** 16) {
    return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
  }
  // What does not look like an address may be a secret in the wrong place.
  throw new BeamBridgeError('INVALID_ARGUMENT', `${of}: bootstrapServers has no host and port`, {
    hint: "Give 'broker-1:9092', without a protocol, a user or a path; credentials go into sasl.",
  });
}

function checkSasl(of: string, sasl: KafkaSasl): void {
  const { mechanism, username, password, token } = sasl ?? {};
  if (!MECHANISMS.includes(mechanism)) {
    throw invalid(of, 'sasl.mechanism', mechanism, `Choose one of ${MECHANISMS.join(', ')}.`);
  }
  const given = (value: unknown) => typeof value === 'string' || typeof value === 'function';
  const isComplete =
    mechanism === 'OAUTHBEARER' ? given(token) : given(username) && given(password);
  if (isComplete) return;
  const wanted = mechanism === 'OAUTHBEARER' ? 'a token' : 'a username and a password';
  throw new BeamBridgeError('CREDENTIALS_MISSING', `${of}: sasl has not ${wanted}`, {
    hint: `${mechanism} needs ${wanted}, each a text or a function. Is the environment variable set that holds it?`,
  });
}

/** The refusal of an option. */
export function invalid(of: string, option: string, given: unknown, hint: string): BeamBridgeError {
  return new BeamBridgeError('INVALID_ARGUMENT', `${of}: ${option} is ${describeValue(given)}`, {
    hint,
  });
}
