// SPDX-License-Identifier: Apache-2.0
// The managed service of Java, with programs of this test in the place of Java: what is said where it cannot
// be started, and where it ends.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { BeamBridgeError, type ErrorCode } from '../../src/base/index.ts';
import { getJavaService, runningJavaServices, stopJavaServices } from '../../src/services/index.ts';

const coded = (code: ErrorCode, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof BeamBridgeError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  return true;
};

const environment = { ...process.env };
const asked: string[] = [];
const said: string[] = [];
const JAR = Buffer.from('a jar');
const repository = createServer((request, response) => {
  asked.push(request.url!);
  if (request.url!.endsWith('.sha256')) {
    response.end(createHash('sha256').update(JAR).digest('hex'));
  } else response.end(JAR);
});
let folder: string;
let jars: string;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'beambridge-test-'));
  jars = path.join(folder, 'jars');
  await mkdir(jars);
  await writeFile(path.join(jars, 'a.jar'), '');
  await new Promise<void>((resolve) => repository.listen(0, '127.0.0.1', resolve));
  const { port } = repository.address() as AddressInfo;
  process.env.BEAMBRIDGE_MAVEN_REPOSITORY = `http://127.0.0.1:${port}`;
  process.env.BEAMBRIDGE_HOME = path.join(folder, 'home');
});
after(async () => {
  await stopJavaServices();
  for (const name of ['BEAMBRIDGE_MAVEN_REPOSITORY', 'BEAMBRIDGE_HOME', 'JAVA_HOME']) {
    if (environment[name] === undefined) delete process.env[name];
    else process.env[name] = environment[name];
  }
  repository.closeAllConnections();
  repository.close();
  await rm(folder, { recursive: true });
});

/** A Java of this release that does `body` in the place of a class. */
async function javaOf(version: string, body = 'exit 1'): Promise<void> {
  const home = await mkdtemp(path.join(folder, 'java-'));
  process.env.JAVA_HOME = home;
  await mkdir(path.join(home, 'bin'), { recursive: true });
  const script = `#!/bin/sh\nif [ "$1" = -version ]; then echo 'openjdk version "${version}" 2025' >&2; exit 0; fi\n${body}\n`;
  await writeFile(path.join(home, 'bin', 'java'), script);
  await chmod(path.join(home, 'bin', 'java'), 0o755);
}

const READY = `echo '{"ready":true,"address":"127.0.0.1:7","beam":"2.70.0"}'`;
const get = (more: Partial<Parameters<typeof getJavaService>[0]> = {}) =>
  getJavaService({ jars: [jars], onProgress: (line) => void said.push(line), ...more });

test('no Java, one that is too old, no jars and no allowlist are told apart', async () => {
  process.env.JAVA_HOME = path.join(folder, 'nowhere');
  await assert.rejects(get(), coded('JAVA_NOT_FOUND', /JAVA_HOME points/));
  await javaOf('1.8.0_412');
  await assert.rejects(get(), coded('JAVA_TOO_OLD', /is Java 1\.8\.0_412[\s\S]*11 or later/));
  await javaOf('17.0.1');
  await assert.rejects(
    get({ jars: [path.join(folder, 'none')] }),
    coded('ENGINE_NOT_FOUND', /nothing at .*none[\s\S]*javaService/),
  );
  await assert.rejects(
    get({ allowlist: path.join(folder, 'none.yaml') }),
    coded('INVALID_ARGUMENT', /no allowlist at .*none\.yaml/),
  );
});

test('it is shared by those who want the same, and replaced once it has ended', async () => {
  await javaOf('17.0.1', `${READY}\nexec sleep 600`);
  const [one, same] = await Promise.all([get(), get()]);
  assert.equal(one, same);
  assert.equal(one.address, '127.0.0.1:7');
  assert.equal(one.beam, '2.70.0');
  assert.deepEqual(runningJavaServices(), [one]);
  assert.notEqual(await get({ javaOptions: ['-Xmx2g'] }), one);
  await one.stop();
  assert.equal(one.alive, false);
  assert.ok(!runningJavaServices().includes(one));
  assert.notEqual(await get(), one);
});

test('jars are fetched once, checked, and stand beside others in the order given', async () => {
  const told = path.join(folder, 'told');
  await javaOf('17.0.1', `echo "$@" > ${told}\n${READY}\nexec sleep 600`);
  const coordinates = 'org.example:the-jar:1.0';
  await get({ jars: [jars, coordinates] });
  const kept = path.join(folder, 'home/engines/maven/org/example/the-jar/1.0');
  assert.deepEqual(await readdir(kept), ['the-jar-1.0.jar']);
  const given = await readFile(told, 'utf8');
  assert.ok(given.includes(`${jars}/*:${kept}/the-jar-1.0.jar beambridge.ExpansionHost`), given);
  assert.match(said.join('\n'), /fetching the-jar-1\.0\.jar/);
  asked.length = 0;
  await get({ jars: [jars, coordinates], javaOptions: ['-Xmx3g'] });
  assert.deepEqual(asked, [], 'a second run needs no repository');
});

test('what the class path lacks is named, with what to add', async () => {
  for (const [missing, message] of [
    ['org.apache.beam.sdk.expansion.service.ExpansionService', /expansion service for Java/],
    ['org.apache.beam.fn.harness.ExternalWorkerService', /Java's harness/],
    ['org.github.jamm.MemoryMeter', /jamm[\s\S]*com\.github\.jbellis:jamm/],
    ['org.example.Other', /the class org\.example\.Other/],
  ] as const) {
    await javaOf('17.0.1', `echo '{"missing":"${missing}"}'\nexit 1`);
    await assert.rejects(get(), coded('ENGINE_NOT_FOUND', message));
  }
});

test('one that ends as it starts, and one that hangs, are told with their last words', async () => {
  await javaOf('17.0.1', 'echo "Error: heap too large" >&2\nexit 1');
  await assert.rejects(get(), coded('ENGINE_START_FAILED', /status 1[\s\S]*heap too large/));
  await javaOf('17.0.1', 'echo "reading the disk" >&2\nexec sleep 600');
  await assert.rejects(
    get({ startTimeout: 500 }),
    coded('ENGINE_START_FAILED', /not ready after 0\.5 s[\s\S]*reading the disk/),
  );
});

test('one that dies says how, with its last words', async () => {
  await javaOf('17.0.1', `${READY}\necho "Terminating due to OutOfMemoryError" >&2\nexit 3`);
  const service = await get();
  await service.exited;
  const error = service.diedError();
  coded('ENGINE_DIED', /ended with status 3[\s\S]*OutOfMemoryError/)(error);
});

test('whoever leaves while it starts ends nobody else’s', async () => {
  await javaOf('17.0.1', `sleep 1\n${READY}\nexec sleep 600`);
  const leaving = new AbortController();
  const [left, stayed] = [get({ signal: leaving.signal }), get()];
  setTimeout(() => leaving.abort(), 200);
  await assert.rejects(left, coded('ABORTED', /cancelled/));
  assert.equal((await stayed).alive, true);
});
