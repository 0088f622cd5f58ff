// SPDX-License-Identifier: Apache-2.0
// npm, as programs that travel as packages need it: packs a folder, and installs what one depends on.

import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { conceal } from '../../base/index.ts';
import { type RunToolOptions, runTool, type ToolResult } from '../process/run-tool.ts';

/** How an npm that failed ended. */
export interface NpmFailure {
  readonly why: 'missing' | 'timeout' | 'offline' | 'failed';
  /** Its last lines. */
  readonly detail: string;
}

/** What npm packed. */
export interface PackedFolder {
  readonly tarball: string;
  /** Paths below the folder, with slashes. */
  readonly files: readonly string[];
  /** Bytes of all files. */
  readonly bytes: number;
}

const LAST_LINES = 15;
/** By which npm says that a registry cannot be reached, or that it was told to do without. */
const OFFLINE =
  /\b(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|ERR_SOCKET_TIMEOUT|ENOTCACHED)\b/;
/** Of npm itself: nothing that looks around, and nothing to look at. */
const QUIET = [
  '--loglevel=error',
  '--no-audit',
  '--no-fund',
  '--no-update-notifier',
  '--no-progress',
  '--no-color',
];

/**
 * Packs a folder as it is: none of its scripts run, which could change the files of the program that asks.
 *
 * @param into - an empty folder
 */
export async function npmPack(
  folder: string,
  into: string,
  signal?: AbortSignal,
): Promise<PackedFolder | NpmFailure> {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', into, ...QUIET];
  let listed = '';
  const { ok, ...result } = await npm(args, {
    cwd: folder,
    signal,
    onLine: (line) => {
      listed += `${line}\n`;
      return undefined;
    },
  });
  const tarball = ok ? (await readdir(into)).find((name) => name.endsWith('.tgz')) : undefined;
  if (tarball === undefined) return failure(result);
  const { files, unpackedSize } = parse(listed);
  return {
    tarball: join(into, tarball),
    files: files.map(({ path }) => path),
    bytes: unpackedSize,
  };
}

/**
 * Installs what the package in a folder depends on, and nothing else than its lock file names.
 *
 * @param isLocked - without a lock file npm takes what it finds
 * @returns nothing, or why it failed
 */
export async function npmInstall(
  folder: string,
  { isLocked, ...options }: { isLocked: boolean } & Pick<RunToolOptions, 'signal' | 'timeout'>,
): Promise<NpmFailure | undefined> {
  const what = isLocked ? ['ci'] : ['install', '--no-save', '--no-package-lock'];
  const args = [...what, '--omit=dev', '--prefer-offline', ...QUIET];
  const { ok, ...result } = await npm(args, { cwd: folder, ...options });
  return ok ? undefined : failure(result);
}

function npm(args: readonly string[], options: RunToolOptions): Promise<ToolResult> {
  // What starts workers may name Node by its path, and npm comes with it.
  const beside = dirname(process.execPath);
  const { PATH = '' } = process.env;
  const { BEAMBRIDGE_NPM: named } = process.env;
  const command = named || (existsSync(join(beside, 'npm')) ? join(beside, 'npm') : 'npm');
  // Of a program that npm started, the settings of that start.
  const lifecycle = Object.keys(process.env).filter((name) =>
    /^npm_(?:lifecycle|package|command)/.test(name),
  );
  const env = {
    ...Object.fromEntries(lifecycle.map((name) => [name, undefined])),
    PATH: `${PATH}${delimiter}${beside}`,
  };
  return runTool(command, args, { env, ...options });
}

function failure({ missing, timedOut, output }: Omit<ToolResult, 'ok'>): NpmFailure {
  const detail = conceal(output.split('\n').slice(-LAST_LINES).join('\n'));
  if (missing) return { why: 'missing', detail };
  if (timedOut) return { why: 'timeout', detail };
  return { why: OFFLINE.test(output) ? 'offline' : 'failed', detail };
}

interface Listing {
  readonly files: readonly { readonly path: string }[];
  readonly unpackedSize: number;
}

/** One package, in a list or, as newer releases have it, by its name; warnings may stand around it. */
function parse(listed: string): Listing {
  const start = listed.search(/^[[{]/m);
  const end = Math.max(listed.lastIndexOf('\n]\n'), listed.lastIndexOf('\n}\n')) + 2;
  const all = JSON.parse(listed.slice(start, end)) as Listing[] | Record<string, Listing>;
  return Object.values(all)[0]!;
}
