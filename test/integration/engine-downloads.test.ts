// SPDX-License-Identifier: Apache-2.0
// Jars and Java for engines: fetched from a repository of this test, looked for in folders of it.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { BeamBridgeError, type ErrorCode } from '../../src/base/index.ts';
import { getFlinkJobServer, stopJobServers } from '../../src/services/index.ts';

const coded = (code: ErrorCode, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof BeamBridgeError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  return true;
};

const JAR = Buffer.alloc(3_000_000, 'a jar');
const sha = (kind: string) => createHash(kind).update(JAR).digest('hex');
const files = new Map<string, Buffer | 'breaks off'>();
const asked: string[] = [];
const repository = createServer((request, response) => {
  asked.push(request.url!);
  const file = files.get(request.url!);
  if (file === undefined) response.writeHead(404).end();
  else if (file === 'breaks off') {
    response.writeHead(200, { 'content-length': JAR.length });
    response.write(JAR.subarray(0, 1000), () => response.destroy());
  } else response.end(file);
});

const environment = { ...process.env };
let folder: string;
const said: string[] = [];

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'beambridge-test-'));
  await new Promise<void>((resolve) => repository.listen(0, '127.0.0.1', resolve));
  const { port } = repository.address() as AddressInfo;
  process.env.BEAMBRIDGE_MAVEN_REPOSITORY = `http://127.0.0.1:${port}/maven2/`;
  process.env.BEAMBRIDGE_HOME = path.join(folder, 'home');
});
after(async () => {
  for (const name of ['BEAMBRIDGE_MAVEN_REPOSITORY', 'BEAMBRIDGE_HOME', 'JAVA_HOME']) {
    if (environment[name] === undefined) delete process.env[name];
    else process.env[name] = environment[name];
  }
  await stopJobServers();
  repository.closeAllConnections();
  repository.close();
  await rm(folder, { recursive: true });
});

/** A Java of this release that says what it was given, in the place of a job server. */
async function javaOf(version: string, body = 'exit 1'): Promise<void> {
  const home = path.join(folder, `java-${version}`);
  process.env.JAVA_HOME = home;
  await mkdir(path.join(home, 'bin'), { recursive: true });
  const script = `#!/bin/sh\nif [ "$1" = -version ]; then echo 'openjdk version "${version}" 2025' >&2; exit 0; fi\n${body}\n`;
  await writeFile(path.join(home, 'bin', 'java'), script);
  await chmod(path.join(home, 'bin', 'java'), 0o755);
}

const SERVES = 'echo "[main] INFO JobService started on localhost:7" >&2\nexec sleep 600';
const onProgress = (message: string) => void said.push(message);
const get = (more: Partial<Parameters<typeof getFlinkJobServer>[0]> = {}) =>
  getFlinkJobServer({ master: '[local]', onProgress, ...more });

test('no Java, and one that is too old, are told apart', async () => {
  process.env.JAVA_HOME = path.join(folder, 'nowhere');
  await assert.rejects(get(), coded('JAVA_NOT_FOUND', /JAVA_HOME points[\s\S]*Install a Java/));
  await javaOf('1.8.0_412');
  await assert.rejects(get(), coded('JAVA_TOO_OLD', /is Java 1\.8\.0_412[\s\S]*11 or later/));
  await javaOf('9.0.4');
  await assert.rejects(get(), coded('JAVA_TOO_OLD', /is Java 9\.0\.4/));
});

const place = (version: string) =>
  `/maven2/org/apache/beam/beam-runners-flink-1.20-job-server/${version}/beam-runners-flink-1.20-job-server-${version}.jar`;

test('a job server is fetched once, checked, kept, and shared by those who want the same', async () => {
  await javaOf('17.0.1', SERVES);
  files.set(place('2.77.0'), JAR);
  files.set(`${place('2.77.0')}.sha256`, Buffer.from(`${sha('sha256')}  the.jar\n`));
  const [one, same] = await Promise.all([get(), get()]);
  assert.equal(one, same);
  assert.equal(one.info, 'localhost:7');
  assert.match(
    said[0]!,
    /fetching beam-runners-flink-1\.20-job-server-2\.77\.0\.jar \(once, 3 MB\)/,
  );
  const kept = path.join(folder, 'home/engines/maven', place('2.77.0').replace('/maven2/', ''));
  assert.ok((await readFile(kept)).equals(JAR));
  asked.length = 0;
  const other = await get({ javaOptions: ['-Xmx2g'] });
  assert.notEqual(other, one);
  assert.deepEqual(asked, []);
  await one.stop();
  assert.notEqual(await get(), one, 'one that has ended is replaced');
});

test('a jar that is damaged on the way is refused, and not kept', async () => {
  files.set(place('2.76.0'), JAR.subarray(1));
  files.set(`${place('2.76.0')}.sha1`, Buffer.from(sha('sha1')));
  await assert.rejects(
    get({ beamVersion: '2.76.0' }),
    coded('ENGINE_MISMATCH', /is not what its sha1 says/),
  );
  files.set(place('2.75.0'), 'breaks off');
  files.set(`${place('2.75.0')}.sha1`, Buffer.from(sha('sha1')));
  await assert.rejects(
    get({ beamVersion: '2.75.0' }),
    coded('ENGINE_NOT_FOUND', /cannot be fetched/),
  );
  for (const version of ['2.76.0', '2.75.0']) {
    const file = path.join(folder, 'home/engines/maven', place(version).replace('/maven2/', ''));
    assert.deepEqual(await readdir(path.dirname(file)), []);
  }
});

test('what the repository does not have is named, with what to set', async () => {
  await assert.rejects(
    get({ beamVersion: '9.9.9' }),
    coded('ENGINE_NOT_FOUND', /9\.9\.9\.jar is not there: status 404[\s\S]*flinkJobServer/),
  );
  await assert.rejects(
    get({ jars: path.join(folder, 'no-folder') }),
    coded('ENGINE_NOT_FOUND', /nothing at .*no-folder/),
  );
});

test('jars for another Flink than the one that is meant are refused', async () => {
  const jars = path.join(folder, 'jars');
  await mkdir(jars);
  await writeFile(path.join(jars, 'beam-runners-flink-1.19-2.70.0.jar'), '');
  await assert.rejects(
    get({ jars, flinkVersion: '1.20', master: 'localhost:8081' }),
    coded('ENGINE_MISMATCH', /is for Flink 1\.19, and localhost:8081 is to be 1\.20/),
  );
  assert.equal((await get({ jars, flinkVersion: '1.19' })).info, 'localhost:7');
});

test('a job server that ends as it starts is told with its last words', async () => {
  await javaOf('21', 'echo "Error: Could not find or load main class" >&2; exit 1');
  await assert.rejects(get(), coded('ENGINE_START_FAILED', /status 1[\s\S]*load main class/));
});
