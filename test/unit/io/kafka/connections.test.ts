// SPDX-License-Identifier: Apache-2.0
// Clients of Kafka end with all connections that they have had, those that their pool has lost, too.

import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { Connections } from '../../../../src/io/kafka/connections.ts';
import type { BaseClient } from '../../../../src/io/kafka/package.ts';

class Connection extends EventEmitter {
  closed = 0;
  async close(): Promise<void> {
    this.closed += 1;
    this.emit('close');
  }
}

function standIn(close: () => Promise<void>) {
  const connections = new EventEmitter();
  const client = Object.assign(new EventEmitter(), { connections, close });
  const connect = () => {
    const connection = new Connection();
    connections.emit('connecting', { connection });
    return connection;
  };
  return { client: client as unknown as BaseClient, connect };
}

test('a connection that the pool has lost is closed, and one that has ended is not again', async () => {
  let closed = 0;
  const { client, connect } = standIn(async () => {
    closed += 1;
  });
  const connections = new Connections(client);
  const [ended, lost] = [connect(), connect()];
  ended.emit('close');
  await connections.close();
  assert.deepEqual([closed, ended.closed, lost.closed], [1, 0, 1]);
});

test('a client that does not close in order loses no connection either', async () => {
  const { client, connect } = standIn(async () => {
    throw new Error('busy');
  });
  const connections = new Connections(client);
  const lost = connect();
  await connections.close();
  assert.equal(lost.closed, 1);
});
