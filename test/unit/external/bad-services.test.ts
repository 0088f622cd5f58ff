// SPDX-License-Identifier: Apache-2.0
// Expansion services that are not there, are none, or go away.
import assert from 'node:assert/strict';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { describe, test } from 'node:test';
import { BeamBridgeError } from '../../../src/base/index.ts';
import { expandPipeline, rawExternalTransform } from '../../../src/external/index.ts';
import { Pipeline, pipelineToProto, Root } from '../../../src/pipeline/index.ts';
import { jobs, LoopbackServer } from '../../../src/proto/index.ts';
import { string } from '../../../src/schema/index.ts';
import { fakeExpansionService } from '../../helpers/fake-expansion-service.ts';

async function unavailable(address: string, message: RegExp): Promise<void> {
  const pipeline = new Pipeline();
  new Root(pipeline).apply(rawExternalTransform('u', undefined, address, { output: string }));
  const proto = pipelineToProto(pipeline, { urn: 'beam:env:external:v1' });
  await assert.rejects(
    expandPipeline(pipeline, proto, { resolveService: async () => ({ address }) }),
    (error) => {
      assert.ok(error instanceof BeamBridgeError);
      assert.equal(error.code, 'EXPANSION_SERVICE_UNAVAILABLE');
      assert.ok(error.message.includes(address));
      assert.match(error.message, message);
      assert.equal(error.transform, 'External(u)');
      assert.ok(error.hint);
      return true;
    },
  );
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

// Each waits five seconds for its connection, so they wait together.
describe('an expansion service', { concurrency: true }, () => {
  test('nothing listens', async () => {
    const server = createServer();
    const address = await listening(server);
    server.close();
    await unavailable(address, /does not answer/);
  });

  test('a name that does not exist', async () => {
    await unavailable('no-such-host.invalid:1', /does not answer/);
  });

  test('a web server', async () => {
    const server = createHttpServer((_request, response) => response.end('hello'));
    await unavailable(await listening(server), /does not answer|failed/);
    server.close();
  });

  test('something that takes the connection and says nothing', async () => {
    const sockets: { destroy(): void }[] = [];
    const server = createServer((socket) => sockets.push(socket));
    await unavailable(await listening(server), /does not answer/);
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  test('another gRPC service', async () => {
    const server = new LoopbackServer().add(jobs.ArtifactRetrievalService, {
      resolveArtifacts: async () => ({}),
      getArtifact: (call) => call.end(),
    });
    await unavailable(await server.listen(), /is no expansion service/);
    server.close();
  });

  test('a service that dies half-way', async () => {
    using service = await fakeExpansionService(() => {
      setTimeout(() => service.close(), 10);
      return new Promise(() => {});
    });
    await unavailable(service.address, /failed during the call/);
  });
});
