// SPDX-License-Identifier: Apache-2.0
// What names a server, and what must not become another one in silence.

import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import type { BeamBridgeError } from '../../../../src/base/index.ts';
import { checkConnection } from '../../../../src/io/postgres/connection.ts';

const NAMES = ['PGSERVICE', 'PGHOSTADDR', 'PGSSLMODE'];
afterEach(() => {
  for (const name of NAMES) delete process.env[name];
});

const check = (options: object) => checkConnection('x', options);

function refused(options: object): BeamBridgeError {
  try {
    check(options);
  } catch (error) {
    assert.equal((error as BeamBridgeError).code, 'INVALID_ARGUMENT');
    return error as BeamBridgeError;
  }
  return assert.fail('it is taken');
}

const server = { host: 'db', database: 'birds' };

describe('options that name a server', () => {
  test('one that is given and undefined is refused', () => {
    for (const name of ['host', 'port', 'database', 'user', 'password', 'ssl'])
      assert.match(
        refused({ connection: { ...server, [name]: undefined } }).message,
        new RegExp(`connection\\.${name} is undefined`),
      );
    assert.equal(check({ connection: server }).host, 'db');
  });

  test('what psql looks at and pg does not is refused, unless the server is named', () => {
    process.env.PGSERVICE = 'production';
    assert.match(refused({}).message, /PGSERVICE/);
    assert.match(refused({ connection: { host: 'db' } }).message, /PGSERVICE/);
    check({ connection: server });
    check({ connectionString: 'postgres://db/birds' });
    delete process.env.PGSERVICE;
    process.env.PGHOSTADDR = '10.0.0.1';
    assert.match(refused({ connection: { database: 'birds' } }).message, /PGHOSTADDR/);
    check({ connection: { host: 'db' } });
  });

  test('a way of TLS that there is not does not become none', () => {
    for (const options of [
      { connection: server },
      { connectionString: 'postgres://u:p@db/birds' },
    ]) {
      process.env.PGSSLMODE = 'verify_full';
      refused(options);
      process.env.PGSSLMODE = 'verify-full';
      check(options);
    }
    check({ connection: { ...server, ssl: true } });
    refused({ connectionString: 'postgres://u:p@db/birds?sslmode=verify_full' });
    check({ connectionString: 'postgres://u:p@db/birds?sslmode=verify-full' });
  });

  test('a password that is not escaped is refused, and not told', () => {
    for (const connectionString of [
      'postgres://u:12/secret@db/birds',
      'postgres://u:12#secret@db/birds',
      'postgres://u:12?secret@db/birds',
      'host=db password=secret',
    ]) {
      const { message, hint } = refused({ connectionString });
      assert.doesNotMatch(`${message} ${hint}`, /secret|12\b/, connectionString);
    }
    for (const connectionString of [
      'postgres://u:p@ss@db/birds',
      'postgres:///birds?user=a@b',
      'postgres://u:a%2Fb@db:5432/birds?application_name=a@b',
      '/var/run/postgresql birds',
    ])
      check({ connectionString });
  });
});
