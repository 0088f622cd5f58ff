// SPDX-License-Identifier: Apache-2.0
// One state of the database for all ranges of a read. A snapshot lives as long as the transaction that has exported it,
// so the step that finds the ranges keeps its connection until it is torn down, when the run has ended.
// Source: https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-SNAPSHOT-SYNCHRONIZATION

import { BeamBridgeError } from '../../base/index.ts';
import { quoteText } from '../sql/names.ts';
import { failure, stateOf } from './failures.ts';
import type { ClientOptions } from './package.ts';
import { Session } from './session.ts';
import { readSettings } from './settings.ts';

const BEGIN = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY';

/** No function of this name, as databases have it that speak like PostgreSQL. */
const NO_FUNCTION = '42883';

/** A connection in a transaction that only reads, and sees one state. */
export async function openReading(
  of: string,
  options: ClientOptions,
  snapshot: string | null,
): Promise<Session> {
  const session = await Session.open(of, options);
  try {
    await session.query('no transaction can begin', BEGIN);
    if (snapshot !== null) await join(session, of, snapshot);
    await session.query('a transaction cannot be set up', readSettings(snapshot !== null));
    return session;
  } catch (error) {
    await session.close();
    throw error;
  }
}

async function join(session: Session, of: string, snapshot: string): Promise<void> {
  try {
    await session.ask(`SET TRANSACTION SNAPSHOT ${quoteText(snapshot)}`);
  } catch (error) {
    // Of the snapshot and of what had it, and not of the connection.
    if (!/^(?:22|55|42)/.test(stateOf(error)))
      throw failure(error, session.failing('the snapshot cannot be read'));
    throw new BeamBridgeError('IO_FAILED', `${of}: the snapshot that is read is gone`, {
      hint: 'The worker that took it has ended, or lost its connection, or the server is another one. Run it again, or read each range as it is then: { snapshot: false }.',
    });
  }
}

/** A snapshot that others can read, for as long as the session is open. */
export async function exportSnapshot(session: Session, of: string): Promise<string> {
  try {
    const { rows } = await session.ask('SELECT pg_catalog.pg_export_snapshot()');
    return rows[0]![0]!;
  } catch (error) {
    if (stateOf(error) !== NO_FUNCTION)
      throw failure(error, session.failing('no snapshot can be taken'));
    throw new BeamBridgeError('UNSUPPORTED', `${of}: ${session.place} has no snapshots to share`, {
      hint: 'Read in one range, { ranges: 1 }, or each range as it is then: { snapshot: false }.',
    });
  }
}
