// SPDX-License-Identifier: Apache-2.0
// The tests that the official TypeScript SDK ships in its package, run against this one after nothing
// but a change of import path. They are fetched as a package from npm and never copied here.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import * as beam from '../../src/index.ts';
import * as io from '../../src/io/index.ts';
import * as runners from '../../src/runners/index.ts';
import * as testing from '../../src/testing/index.ts';

const VERSION = '2.49.0';
const SHA512 =
  'rhmsWqengfDDbMTLHn9jsPRDyVsB2tKewoJapPVXgG5btHYBCSdHU1hzk2lJvw7joinIy5in7QvSyvQso21Uhg==';
const folder = resolve(import.meta.dirname, '../../.cache/official-sdk', VERSION);

/** The folder of the package, fetched once and checked; undefined where no registry can be reached. */
export function officialPackage(): string | undefined {
  const done = join(folder, 'package');
  if (existsSync(done)) return done;
  const making = `${folder}.${process.pid}`;
  try {
    mkdirSync(making, { recursive: true });
    const quiet = { cwd: making, stdio: 'pipe', encoding: 'utf8' } as const;
    const file = execFileSync('npm', ['pack', '--silent', `apache-beam@${VERSION}`], quiet).trim();
    const digest = createHash('sha512')
      .update(readFileSync(join(making, file)))
      .digest('base64');
    if (digest !== SHA512) throw new Error(`apache-beam@${VERSION} has another content: ${digest}`);
    execFileSync('tar', ['-xzf', file], quiet);
    mkdirSync(folder, { recursive: true });
    renameSync(join(making, 'package'), done);
    return done;
  } catch (error) {
    if (existsSync(done)) return done;
    if (error instanceof Error && error.message.includes('another content')) throw error;
    return undefined;
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
}

/** Where the names of the official SDK's modules are in this package. */
const DOORS: Readonly<Record<string, object>> = {
  '': { ...beam, ...io },
  coders: beam,
  internal: beam,
  io,
  runners,
  serialization: beam,
  testing,
  transforms: beam,
  values: beam,
};

/** Their service for servers that several tests share: nothing of a pipeline. */
const utils = { SubprocessService: { createCache: () => ({ stopAll() {} }) } };

const nodeRequire = createRequire(import.meta.url);

function load(name: string): unknown {
  const [, path] = /\/src\/apache_beam(?:\/(.*))?$/.exec(name) ?? [];
  if (!name.startsWith('.')) return nodeRequire(name);
  const room = (path ?? '').split('/')[0]!;
  return room === 'utils' ? utils : (DOORS[room] ?? {});
}

/** One of its tests: the names of the suites it is in and its own, and its function. */
export interface OfficialTest {
  readonly name: string;
  run(): unknown;
}

/** What mocha binds a test's function to. */
interface Mocha {
  timeout(): Mocha;
  skip(): never;
}

export class Skipped extends Error {}

/** The tests of a file of the package. */
export function officialTests(file: string): OfficialTest[] {
  const tests: OfficialTest[] = [];
  const names: string[] = [];
  const mocha: Mocha = {
    timeout: () => mocha,
    skip: () => {
      throw new Skipped();
    },
  };
  const describe = (name: string, body: () => void) => {
    names.push(name);
    body.call(mocha);
    names.pop();
  };
  const it = (name: string, body: () => unknown) => {
    tests.push({ name: [...names, name].join(' / '), run: () => body.call(mocha) });
    return mocha;
  };
  const globals = { describe, it, before() {}, after() {}, beforeEach() {}, afterEach() {} };
  const code = readFileSync(join(officialPackage()!, 'dist/test', file), 'utf8');
  const exports = {};
  // With it, the guide's examples of Python transforms are tests too.
  const env = file.startsWith('docs/') ? { BEAM_SERVICE_OVERRIDES: '{}' } : {};
  const given = { exports, require: load, module: { exports }, process: { env }, ...globals };
  new Function(...Object.keys(given), code)(...Object.values(given));
  return tests;
}
