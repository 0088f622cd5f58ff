// SPDX-License-Identifier: Apache-2.0
// Transforms of Java's own expansion service, with Java's harness as the worker beside it, on the runner
// node. Where its jars are not on this machine they are skipped: scripts/test-engines fetches them.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createRunner, rawExternalTransform } from '../../src/index.ts';
import { int64 } from '../../src/schema/index.ts';
import { findJava, type Service, startService } from '../../src/services/index.ts';
import { javaExpansionHere } from '../helpers/engines.ts';

const here = await javaExpansionHere();

/** A port that was free a moment ago: this service says the port that it was given, which may not be 0. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('close', () => socket.destroy());
  });
}

/** The example in the documentation of rawExternalTransform. */
function example(): { urn: string; payload: Record<string, number> } {
  const source = readFileSync(
    new URL('../../src/external/external-transform.ts', import.meta.url),
    'utf8',
  );
  const [, urn, start, stop] =
    /\* +rawExternalTransform\('([^']+)', \{ start: (\d+), stop: (\d+) \}/.exec(source) ?? [];
  assert.ok(urn, 'the documentation has another example');
  return { urn, payload: { start: Number(start), stop: Number(stop) } };
}

describe("Java's expansion service", { skip: 'skip' in here && here.skip }, () => {
  let service: Service<true> | undefined;
  let address = '';

  before(async () => {
    const jars = 'jars' in here ? here.jars : '';
    const port = await freePort();
    service = await startService({
      name: "Java's expansion service",
      command: await findJava(),
      args: [
        ...['-Xmx400m', '-cp', path.join(jars, '*')],
        'org.apache.beam.sdk.expansion.service.ExpansionService',
        ...[String(port), '--javaClassLookupAllowlistFile=*', '--alsoStartLoopbackWorker'],
      ],
      ready: (line) => (line.startsWith('Registered transforms') ? (true as const) : undefined),
    });
    while (!(await listens(port))) await delay(100);
    address = `localhost:${port}`;
  });
  after(() => service?.stop());

  test('knows the transform of the documentation, and its worker runs it', async () => {
    const { urn, payload } = example();
    const seen: number[] = [];
    await createRunner({ runner: 'node', progress: false }).run((root) =>
      root
        .apply(rawExternalTransform(urn, payload, address, { output: int64 }))
        .map((n) => seen.push(Number(n))),
    );
    assert.deepEqual(
      seen.toSorted((a, b) => a - b),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    );
  });
});
