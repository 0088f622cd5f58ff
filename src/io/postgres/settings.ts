// SPDX-License-Identifier: Apache-2.0
// What is set on every connection, so that neither the texts of values nor the order of rows depends on what a database or a
// user has set, and no lock is waited for without end.

import { quoteText } from '../sql/names.ts';

/** How texts of values are read and written. */
const TEXTS: Readonly<Record<string, string>> = {
  DateStyle: 'ISO',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  array_nulls: 'on',
  bytea_output: 'hex',
  extra_float_digits: '1',
};

/** A query that is run for each range gives its rows in the same order each time, as far as the server keeps one. */
const ORDER: Readonly<Record<string, string>> = {
  synchronize_seqscans: 'off',
  max_parallel_workers_per_gather: '0',
};

/** How long a lock is waited for, where the server would wait without end. */
const LOCK_TIMEOUT = '60s';
/**
 * Likewise with a snapshot that others share. Its connection has a lock of its own on the table until the run ends: who waits behind
 * somebody that waits for that one, such as an ALTER TABLE, would wait for the end of the run, which waits for him.
 */
const SHARED_LOCK_TIMEOUT = '10s';

/** For a transaction that reads. */
export function readSettings(isShared: boolean): string {
  const always = { ...TEXTS, ...ORDER, idle_in_transaction_session_timeout: '0' };
  return isShared
    ? setting({ ...always, lock_timeout: SHARED_LOCK_TIMEOUT }, true)
    : `${setting(always, true)}; ${lockSetting(true)}`;
}

/** For a connection that writes. */
export function writeSettings(): string {
  return `${setting(TEXTS, false)}; ${lockSetting(false)}`;
}

/** @param isLocal - whether it holds for the transaction, and not for the connection */
function setting(values: Readonly<Record<string, string>>, isLocal: boolean): string {
  const rows = Object.entries(values).map(
    ([name, value]) => `(${quoteText(name)}, ${quoteText(value)})`,
  );
  // Others that speak like PostgreSQL do not have all of them.
  return `SELECT pg_catalog.set_config(name, value, ${isLocal}) FROM (VALUES ${rows.join(', ')}) AS given (name, value)
WHERE pg_catalog.current_setting(name, true) IS NOT NULL`;
}

/** Who has set one knows how long he means to wait. */
function lockSetting(isLocal: boolean): string {
  return `SELECT pg_catalog.set_config('lock_timeout', '${LOCK_TIMEOUT}', ${isLocal})
WHERE pg_catalog.current_setting('lock_timeout', true) = '0'`;
}
