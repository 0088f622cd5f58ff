// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { accessSync, constants, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fromBinary, pb } from '../../../src/proto/index.ts';
import type { PipelineOptions } from '../../../src/runners/index.ts';
import { environmentOf, pythonStarter } from '../../../src/runners/portable/environment.ts';
import type { Host } from '../../../src/services/index.ts';

const host = { python: '/opt/py/bin/python', token: 't' } as Host;

async function process(options: PipelineOptions) {
  const { urn, payload } = await environmentOf({ environmentType: 'PROCESS', ...options }, []);
  assert.equal(urn, 'beam:env:process:v1');
  return fromBinary(pb.ProcessPayloadSchema, payload!);
}

test('PROCESS runs a command: a text, an object, the text of one, or one made for this machine', async () => {
  assert.equal((await process({ environmentConfig: '/opt/worker' })).command, '/opt/worker');
  const config = { command: '/opt/worker', os: 'linux', arch: 'x86_64', env: { A: 'b' } };
  for (const environmentConfig of [config, JSON.stringify(config)]) {
    const { command, os, arch, env } = await process({ environmentConfig });
    assert.deepEqual({ command, os, arch, env }, config);
  }
  const { command, env } = await process({ environmentConfig: { env: { A: 'b' } } });
  accessSync(command, constants.X_OK);
  assert.match(readFileSync(command, 'utf8'), /^#!\/bin\/sh\nexec '.*' 'worker' "\$@"\n$/);
  assert.deepEqual(env, { A: 'b' });
});

test('EXTERNAL asks the pool at an address, with what it demands', async () => {
  const environmentType = 'EXTERNAL';
  for (const [environmentConfig, params] of [
    ['pool:50000', {}],
    [{ url: 'pool:50000', params: { token: 't' } }, { token: 't' }],
  ] as const) {
    const { urn, payload } = await environmentOf({ environmentType, environmentConfig }, []);
    assert.equal(urn, 'beam:env:external:v1');
    const found = fromBinary(pb.ExternalPayloadSchema, payload!);
    assert.equal(found.endpoint?.url, 'pool:50000');
    assert.deepEqual(found.params, params);
  }
});

test('DOCKER runs an image', async () => {
  const { urn, payload } = await environmentOf(
    { environmentType: 'DOCKER', environmentConfig: 'registry/name:1' },
    [],
  );
  assert.equal(urn, 'beam:env:docker:v1');
  assert.equal(fromBinary(pb.DockerPayloadSchema, payload!).containerImage, 'registry/name:1');
});

const REFUSED: PipelineOptions[] = [
  { environmentType: 'process' },
  { environmentType: 'EXTERNAL' },
  { environmentType: 'EXTERNAL', environmentConfig: 'http://pool:1' },
  { environmentType: 'EXTERNAL', environmentConfig: { url: 1 } },
  { environmentType: 'DOCKER' },
  { environmentType: 'PROCESS', environmentConfig: '{ "command":' },
  { environmentType: 'PROCESS', environmentConfig: { command: ['a', 'b'] } },
  { environmentType: 'PROCESS', environmentConfig: { env: { A: 1 } } },
];
for (const options of REFUSED) {
  test(`${JSON.stringify(options)} is refused`, async () => {
    await assert.rejects(environmentOf(options, []), { code: 'INVALID_ARGUMENT' });
  });
}

test("Python's workers are the host's, but where the engine starts ours on this machine or it was told", async () => {
  const environmentConfig = 'pool:1';
  assert.equal(pythonStarter({}), undefined);
  assert.equal(pythonStarter({ environmentType: 'EXTERNAL', environmentConfig }), undefined);
  assert.equal(pythonStarter({ environmentType: 'PROCESS', environmentConfig: '/x' }), undefined);
  assert.equal(
    pythonStarter({ environmentType: 'PROCESS', pythonEnvironmentType: 'LOOPBACK' }),
    undefined,
  );
  const { urn, payload } = await pythonStarter({ environmentType: 'PROCESS' })!(host);
  assert.equal(urn, 'beam:env:process:v1');
  const { command, env } = fromBinary(pb.ProcessPayloadSchema, payload);
  assert.match(
    readFileSync(command, 'utf8'),
    /'\/opt\/py\/bin\/python' '.*start\.py' 'beambridge_host\.worker\.boot' "\$@"/,
  );
  assert.match(env.BEAMBRIDGE_ERROR_NONCE!, /^[0-9a-f]{24}$/);
  const external = await pythonStarter({
    environmentType: 'EXTERNAL',
    environmentConfig,
    pythonEnvironmentConfig: 'pool:2',
  })!(host);
  assert.equal(external.urn, 'beam:env:external:v1');
});
