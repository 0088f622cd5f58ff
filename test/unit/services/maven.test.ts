// SPDX-License-Identifier: Apache-2.0
// A repository of Maven with credentials in its address: they are sent, and never shown.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { inspect } from 'node:util';
import { mavenJar } from '../../../src/services/engines/maven.ts';

const home = mkdtempSync(path.join(tmpdir(), 'beambridge-maven-test-'));
const environment = { ...process.env };
const asked: [path: string | undefined, authorization: string | undefined][] = [];
const jar = Buffer.from('a jar');
const server = createServer((request, response) => {
  asked.push([request.url, request.headers.authorization]);
  if (request.url?.startsWith('/m/org/a/b/1/b-1.jar.sha256')) {
    response.end(createHash('sha256').update(jar).digest('hex'));
  } else if (request.url?.startsWith('/m/org/a/b/1/b-1.jar')) response.end(jar);
  else response.writeHead(404).end();
});
let port = 0;
before(async () => {
  process.env.BEAMBRIDGE_HOME = home;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
after(() => {
  for (const name of ['BEAMBRIDGE_MAVEN_REPOSITORY', 'BEAMBRIDGE_HOME']) {
    if (environment[name] === undefined) delete process.env[name];
    else process.env[name] = environment[name];
  }
  server.closeAllConnections();
  server.close();
  rmSync(home, { recursive: true });
});

const said: string[] = [];
const rest = { hint: 'Give a jar.', onProgress: (message: string) => void said.push(message) };

test('user and password are sent as a header, a token where it stood', async () => {
  process.env.BEAMBRIDGE_MAVEN_REPOSITORY = `http://bob:hunter%402@127.0.0.1:${port}/m//?token=t0ken`;
  const file = await mavenJar('org.a:b:1', rest);
  assert.deepEqual(readFileSync(file), jar);
  const basic = `Basic ${Buffer.from('bob:hunter@2').toString('base64')}`;
  assert.deepEqual(asked, [
    ['/m/org/a/b/1/b-1.jar.sha256?token=t0ken', basic],
    ['/m/org/a/b/1/b-1.jar?token=t0ken', basic],
  ]);
  assert.deepEqual(said, ['fetching b-1.jar (once, 0 MB)…']);
});

test('neither is shown by what fails', async () => {
  const repositories = [
    [
      `http://bob:hunter2@127.0.0.1:${port}/m?token=hunter2`,
      /\/m\/org\/c\/d\/1\/d-1\.jar.*status 404/,
    ],
    ['http://bob:hunter2@127.0.0.1:1/m?token=hunter2', /cannot be fetched/],
    ['bob:hunter2@host', /BEAMBRIDGE_MAVEN_REPOSITORY is no address of HTTP/],
  ] as const;
  for (const [repository, message] of repositories) {
    process.env.BEAMBRIDGE_MAVEN_REPOSITORY = repository;
    await assert.rejects(mavenJar('org.c:d:1', rest), (error: unknown) => {
      const text = inspect(error, { depth: 9 });
      assert.match(text, message);
      assert.ok(!text.includes('hunter2') && !text.includes('bob'), text);
      return true;
    });
  }
});
