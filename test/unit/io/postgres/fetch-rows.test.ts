// SPDX-License-Identifier: Apache-2.0
// Rows that come faster than they are taken stay with the server.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FetchRows } from '../../../../src/io/postgres/fetch-rows.ts';
import type { PgConnection } from '../../../../src/io/postgres/package.ts';

describe('FetchRows', () => {
  const begun = () => {
    const said: string[] = [];
    const stream = { pause: () => said.push('pause'), resume: () => said.push('resume') };
    const fetch = new FetchRows('FETCH');
    fetch.submit({ query: () => {}, stream } as unknown as PgConnection);
    return { said, fetch };
  };
  const long = 'x'.repeat(600_000);

  test('the connection waits from a mebibyte on until the rows are taken', async () => {
    const { said, fetch } = begun();
    fetch.handleDataRow({ fields: ['a', null] });
    assert.deepEqual(said, []);
    fetch.handleDataRow({ fields: [long] });
    fetch.handleDataRow({ fields: [long] });
    assert.deepEqual(said, ['pause']);
    assert.deepEqual(await fetch.next(), [['a', null], [long], [long]]);
    assert.deepEqual(said, ['pause', 'resume']);
    fetch.handleDataRow({ fields: ['b'] });
    fetch.handleReadyForQuery();
    assert.deepEqual(await fetch.next(), [['b']]);
    assert.deepEqual(await fetch.next(), []);
  });

  test('rows that are waited for come, and so does what fails', async () => {
    const { fetch } = begun();
    const next = fetch.next();
    fetch.handleError(new Error('no'));
    await assert.rejects(next, /no/);
  });
});
