// SPDX-License-Identifier: Apache-2.0
// A PostgreSQL for one test file, where its programs are on this machine.

import { execFileSync } from 'node:child_process';
import { chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Service, startService } from '../../src/services/index.ts';
import { onPath } from './engines.ts';

/** A database that is up. */
export interface Postgres extends AsyncDisposable {
  readonly port: number;
  /** The answer to a statement, a line for each row and `|` between columns. */
  query(sql: string, database?: string): string;
  /** From here on that user needs his password. */
  requirePassword(user: string): void;
}

/** PostgreSQL does not run as root. */
const isRoot = process.getuid?.() === 0;
const USER = 'postgres';

function asUser(command: string, args: string[]): [command: string, args: string[]] {
  return isRoot ? ['runuser', ['-u', USER, '--', command, ...args]] : [command, args];
}

/** Why there is no PostgreSQL, if there is none. */
export function postgresSkip(): string | false {
  const missing = ['initdb', 'postgres', 'psql'].find((name) => onPath(name).length === 0);
  if (missing) return `there is no ${missing} on the path`;
  if (!isRoot) return false;
  try {
    execFileSync('runuser', ['-u', USER, '--', 'true'], { stdio: 'ignore' });
    return false;
  } catch {
    return `root cannot become ${USER}, as whom PostgreSQL runs`;
  }
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export async function startPostgres(): Promise<Postgres> {
  const folder = mkdtempSync(path.join(tmpdir(), 'beambridge-postgres-'));
  if (isRoot) {
    const id = (flag: string) => Number(execFileSync('id', [flag, USER], { encoding: 'utf8' }));
    chownSync(folder, id('-u'), id('-g'));
  }
  const data = path.join(folder, 'data');
  execFileSync(...asUser('initdb', ['-D', data, '-U', USER, '-A', 'trust', '--no-sync']), {
    stdio: 'ignore',
    cwd: folder,
  });
  const port = await freePort();
  const listening = ['-p', String(port), '-k', folder, '-c', 'listen_addresses=127.0.0.1'];
  const [command, args] = asUser('postgres', ['-D', data, ...listening, '-F']);
  const server: Service<true> = await startService({
    name: 'PostgreSQL',
    command,
    args,
    cwd: folder,
    ready: (line) => (line.includes('ready to accept connections') ? (true as const) : undefined),
    readyOnErrors: true,
  });
  const query = (sql: string, database = USER) => {
    const args = [
      '-h',
      '127.0.0.1',
      '-p',
      String(port),
      '-U',
      USER,
      '-d',
      database,
      '-At',
      '-c',
      sql,
    ];
    return execFileSync('psql', args, { encoding: 'utf8' }).trim();
  };
  return {
    port,
    query,
    requirePassword: (user) => {
      const rules = path.join(data, 'pg_hba.conf');
      writeFileSync(rules, `host all ${user} all scram-sha-256\n${readFileSync(rules, 'utf8')}`);
      query('SELECT pg_reload_conf()');
    },
    [Symbol.asyncDispose]: async () => {
      // A service by itself keeps no program from its end.
      const awake = setInterval(() => {}, 1000);
      await server.stop();
      clearInterval(awake);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
