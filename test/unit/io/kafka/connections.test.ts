// SPDX-License-Identifier: Apache-2.0
// Clients of Kafka end with all connections that they have had, those that their pool has lost, too.

import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { openClient } from '../../../../src/io/kafka/client.ts';
import { checkConnection } from '../../../../src/io/kafka/connection.ts';
import { Connections } from '../../../../src/io/kafka/connections.ts';
import type { BaseClient } from '../../../../src/io/kafka/package.ts';
import { openProducer } from '../../../../src/io/kafka/producer.ts';

class Connection extends EventEmitter {
  closed = 0;
  async close(): Promise<void> {
    this.closed += 1;
    this.emit('close');
  }
}

function standIn() {
  const connections = new EventEmitter();
  const client = Object.assign(new EventEmitter(), { connections });
  const connect = () => {
    const connection = new Connection();
    connections.emit('connecting', { connection });
    return connection;
  };
  const refuse = (connection: Connection) => connections.emit('failed', { connection });
  return { client: client as unknown as BaseClient, connect, refuse };
}

test('a connection that the pool has lost is closed, and one that has ended is not again', async () => {
  let closed = 0;
  const { client, connect } = standIn();
  const connections = new Connections(client, async () => {
    closed += 1;
  });
  const [ended, lost] = [connect(), connect()];
  ended.emit('close');
  await connections.close();
  assert.deepEqual([closed, ended.closed, lost.closed], [1, 0, 1]);
});

test('a connection that was refused is forgotten', async () => {
  const { client, connect, refuse } = standIn();
  const connections = new Connections(client, async () => {});
  const refused = connect();
  refuse(refused);
  await connections.close();
  assert.equal(refused.closed, 0);
});

test('a client that does not close in order loses no connection either', async () => {
  const { client, connect } = standIn();
  const connections = new Connections(client, async () => {
    throw new Error('busy');
  });
  const lost = connect();
  await connections.close();
  assert.equal(lost.closed, 1);
});

test('the clients of the package end without an exception, with connections and without', async () => {
  const cluster = checkConnection('test', { bootstrapServers: '127.0.0.1:1' });
  const reader = await openClient(cluster, { isolation: 'read_committed' });
  await assert.rejects(reader.topics());
  await reader.close();
  const writer = await openProducer(cluster, 'none');
  await writer.close();
});
