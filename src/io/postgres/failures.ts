// SPDX-License-Identifier: Apache-2.0
// What a failure of a server, or of the way there, means. Messages hold no credentials.
// Source: https://www.postgresql.org/docs/current/errcodes-appendix.html

import { BeamBridgeError, conceal, type ErrorCode } from '../../base/index.ts';

/** What a server says of a failure. */
interface ServerError {
  /** SQLSTATE, or a code of the system. */
  readonly code?: unknown;
  readonly message?: unknown;
  readonly detail?: unknown;
  readonly hint?: unknown;
  readonly where?: unknown;
  readonly column?: unknown;
  readonly errors?: readonly unknown[];
}

/** Where something failed. */
export interface Failing {
  /** What was done, such as `writeToPostgres: birds cannot be written`. */
  readonly what: string;
  /** What must not appear in messages. */
  readonly secrets: readonly string[];
  /** Whether a connection was there: what breaks then is told otherwise. */
  readonly isConnected: boolean;
  /** Whether values are those of rows, and not of the query's own. */
  readonly isWriting?: boolean;
}

const SQLSTATE = /^[0-9A-Z]{5}$/;
/** The server starts, stops, or has all connections that it allows. */
const AWAY = /^(?:57P03|53...)$/;
/** Another try may succeed: transactions that were in each other's way. */
const IN_EACH_OTHERS_WAY = /^40/;
const LONGEST = 600;

const BY_STATE: readonly (readonly [RegExp, ErrorCode])[] = [
  [/^28/, 'CREDENTIALS_REFUSED'],
  [/^42501$/, 'CREDENTIALS_REFUSED'],
  [/^(?:42P01|3F000|3D000)$/, 'TABLE_NOT_FOUND'],
  [/^42703$/, 'HEADER_MISMATCH'],
  [/^42P10$/, 'INVALID_ARGUMENT'],
  [/^23/, 'CONSTRAINT_VIOLATED'],
  [/^(?:57014|55P03)$/, 'TIMEOUT'],
  [/^0A/, 'UNSUPPORTED'],
  [AWAY, 'ENDPOINT_UNAVAILABLE'],
  [/^(?:08|40|57)/, 'IO_FAILED'],
  [/^58/, 'IO_FAILED'],
];

const HINTS: Partial<Record<ErrorCode, string>> = {
  CREDENTIALS_REFUSED: 'Look at user, password and ssl, and at what this user may do there.',
  CREDENTIALS_MISSING: 'Give a password: connection.password, PGPASSWORD, or one in ~/.pgpass.',
  TABLE_NOT_FOUND:
    "Names are taken as they are, capitals too, and looked for in the user's search_path: for a table of another schema give ['schema', 'table'].",
  ENDPOINT_UNAVAILABLE: 'Is a server there, and does it accept connections from here?',
  CONSTRAINT_VIOLATED:
    "Where rows may be there already, say by which fields they are the same: { key: 'id' }.",
  INVALID_ARGUMENT: 'The columns of key need a unique index of exactly these, or a primary key.',
  TIMEOUT: 'The server has a statement_timeout, or somebody has cancelled the statement.',
};

/** A lock that was waited for too long. */
const NO_LOCK = '55P03';
const LOCK_HINT =
  'Somebody has the table or the rows, or waits for them before you, such as an ALTER TABLE, TRUNCATE or VACUUM FULL that waits for a read of this run: run it again when that has ended. A lock_timeout of the server, the database or the user counts in place of 60 seconds.';

/** The SQLSTATE of a failure, or a code of the system; empty where there is none. */
export function stateOf(thrown: unknown): string {
  const code = (thrown as ServerError | null)?.code;
  return typeof code === 'string' ? code : '';
}

/** Whether it may be tried again as it is. */
export function mayPass(thrown: unknown): boolean {
  const state = stateOf(thrown);
  return AWAY.test(state) || IN_EACH_OTHERS_WAY.test(state) || isLost(thrown);
}

/** Whether the server was not reached, or is not there any more. */
export function isLost(thrown: unknown): boolean {
  const state = stateOf(thrown);
  if (SQLSTATE.test(state)) return /^(?:08|57P0[1235])/.test(state);
  if (state !== '') return /^(?:E[A-Z]{2,})/.test(state);
  const { errors, message } = (thrown ?? {}) as ServerError;
  if (errors?.length) return errors.some(isLost);
  return /^(?:Connection terminated|timeout e|Client has encountered a connection error)/.test(
    String(message),
  );
}

/** A failure as an error of this package. */
export function failure(thrown: unknown, failing: Failing): BeamBridgeError {
  if (thrown instanceof BeamBridgeError) return thrown;
  const code = codeOf(thrown, failing);
  const { hint } = (thrown ?? {}) as ServerError;
  const ours = stateOf(thrown) === NO_LOCK ? LOCK_HINT : HINTS[code];
  return new BeamBridgeError(code, `${failing.what}: ${said(thrown, failing)}`, {
    hint: typeof hint === 'string' ? concealed(hint, failing) : ours,
  });
}

function codeOf(thrown: unknown, { isConnected, isWriting }: Failing): ErrorCode {
  const state = stateOf(thrown);
  if (SQLSTATE.test(state)) {
    for (const [states, code] of BY_STATE) if (states.test(state)) return code;
    return state.startsWith('22') && isWriting ? 'ROW_MISMATCH' : 'ENDPOINT_REFUSED';
  }
  if (isLost(thrown)) return isConnected ? 'IO_FAILED' : 'ENDPOINT_UNAVAILABLE';
  const message = String((thrown as ServerError | null)?.message);
  if (/password must be a (?:non-empty )?string/i.test(message)) return 'CREDENTIALS_MISSING';
  return isConnected ? 'INTERNAL' : 'ENDPOINT_REFUSED';
}

/** What the server says, with the row that it speaks of. */
function said(thrown: unknown, failing: Failing): string {
  const { message, detail, where, code, errors } = (thrown ?? {}) as ServerError;
  const first = errors?.[0] as ServerError | undefined;
  const text = String(message || first?.message || code || thrown).split('\n')[0]!;
  // What CONTEXT tells of functions and triggers has lines of its own; the first is where it happened.
  const more = [detail, String(where ?? '').split('\n')[0]].filter((one) => one);
  return concealed(more.length > 0 ? `${text} (${more.join('; ')})` : text, failing);
}

function concealed(text: string, { secrets }: Failing): string {
  let all = text;
  for (const secret of secrets) all = all.replaceAll(secret, '[credential]');
  all = conceal(all);
  return all.length > LONGEST ? `${all.slice(0, LONGEST)}…` : all;
}
