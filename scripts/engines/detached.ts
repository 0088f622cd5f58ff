// SPDX-License-Identifier: Apache-2.0
// Processes that stay when the command that started them ends, kept by a folder: a file with the number
// of each, a log of each, and what they write. They are ended by that folder, and it with them.

import { closeSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import { isAlive, startOf } from '../../src/services/process/identity.ts';

/** What is wrong, as the person at the terminal reads it. */
export class Told extends Error {}

/** How long processes may take to end in order. Milliseconds. */
const END_MS = 10_000;
const LOOK_EVERY_MS = 100;
/** Lines of a log that a failure shows. */
const LAST_LINES = 15;
/** The variable by which what these processes start is found, too. */
const MARK = 'BEAMBRIDGE_ENGINE_FOLDER';

/** A process as its file names it; numbers are used again, and starts are not. */
interface Known {
  readonly name: string;
  readonly pid: number;
  readonly start: string;
}

/** What is started. */
export interface Command {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** A folder and its processes. */
export class Detached {
  constructor(readonly folder: string) {}

  /** Makes the folder. @returns false where it is there, and so are others' processes or what is left of them */
  async claim(): Promise<boolean> {
    await mkdir(dirname(this.folder), { recursive: true });
    // Whoever sees the folder sees who made it, and does not think it abandoned.
    const made = await mkdtemp(`${this.folder}.`);
    await mkdir(join(made, 'logs'));
    await writeFile(join(made, 'starting.pid'), entry(process.pid));
    try {
      await rename(made, this.folder);
    } catch (error) {
      await rm(made, { recursive: true });
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST' || code === 'ENOTEMPTY') return false;
      throw error;
    }
    return true;
  }

  /** All have been started. */
  async started(): Promise<void> {
    await rm(this.pidFile('starting'), { force: true });
  }

  /** The processes that live, by name; the one that starts them is `starting`. */
  living(): string[] {
    return this.known()
      .filter(lives)
      .map(({ name }) => name);
  }

  /** The process of a name, if it lives. */
  pidOf(name: string): number | undefined {
    return this.known().find((one) => one.name === name && lives(one))?.pid;
  }

  logFile(name: string): string {
    return join(this.folder, 'logs', `${name}.log`);
  }

  /** Starts one; it has ended, or not, by the time that anybody looks. */
  start({ name, command, args, env }: Command): void {
    // The types know the first few descriptors; all are taken.
    const log = openSync(this.logFile(name), 'a', 0o600) as 3;
    const child = execa(command, args, {
      detached: true,
      cleanup: false,
      reject: false,
      stdio: ['ignore', log, log],
      env: { ...env, [MARK]: this.folder },
    });
    closeSync(log);
    child.unref();
    if (child.pid === undefined) throw new Told(`${command} cannot be started`);
    this.write(name, child.pid);
  }

  /**
   * Waits until `look` at the log of a process gives something.
   *
   * @throws Told with the log's last lines, when the process ends or hangs
   */
  async until<T>(
    name: string,
    look: (log: string) => T | undefined | Promise<T | undefined>,
    timeoutMs: number,
  ): Promise<T> {
    for (const end = Date.now() + timeoutMs; ; await delay(LOOK_EVERY_MS)) {
      const isThere = this.living().includes(name);
      const found = await look(await readFile(this.logFile(name), 'utf8'));
      if (found !== undefined) return found;
      if (!isThere) throw this.failure(name, 'ended while it was started');
      if (Date.now() > end) throw this.failure(name, `was not ready after ${timeoutMs / 1000} s`);
    }
  }

  private failure(name: string, what: string): Told {
    const lines = readFileSync(this.logFile(name), 'utf8').trimEnd().split('\n');
    return new Told(`${name} ${what}. Its last lines:\n${lines.slice(-LAST_LINES).join('\n')}`);
  }

  /** Ends all processes, and what they started, and removes the folder. SIGTERM, then SIGKILL after 10 s. */
  async stop(): Promise<void> {
    const all = () =>
      [
        ...new Set([
          ...this.known()
            .filter(lives)
            .map(({ pid }) => pid),
          ...this.marked(),
        ]),
      ].filter((pid) => pid !== process.pid);
    for (const pid of all()) signal(pid, 'SIGTERM');
    for (const end = Date.now() + END_MS; all().length > 0; await delay(LOOK_EVERY_MS)) {
      if (Date.now() > end) for (const pid of all()) signal(pid, 'SIGKILL');
    }
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Processes that inherited the mark. Where the kernel does not tell, those end with their parents. */
  private marked(): number[] {
    let numbers: string[];
    try {
      numbers = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
    } catch {
      return [];
    }
    return numbers
      .filter((pid) => {
        try {
          const variables = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0');
          return variables.includes(`${MARK}=${this.folder}`) && !isZombie(pid);
        } catch {
          return false; // It has ended, or is somebody else's.
        }
      })
      .map(Number);
  }

  private known(): Known[] {
    let names: string[];
    try {
      names = readdirSync(this.folder).filter((name) => name.endsWith('.pid'));
    } catch {
      return [];
    }
    return names.flatMap((file) => {
      try {
        const [pid, start = ''] = readFileSync(join(this.folder, file), 'utf8').trim().split(' ');
        return [{ name: file.slice(0, -4), pid: Number(pid), start }];
      } catch {
        return [];
      }
    });
  }

  private write(name: string, pid: number): void {
    writeFileSync(this.pidFile(name), entry(pid));
  }

  private pidFile(name: string): string {
    return join(this.folder, `${name}.pid`);
  }
}

function entry(pid: number): string {
  return `${pid} ${startOf(pid)}\n`;
}

function lives({ pid, start }: Known): boolean {
  return isAlive(pid) && startOf(pid) === start && !isZombie(String(pid));
}

/** Nothing waits for a child that its starter left, where the first process of a container does not. */
function isZombie(pid: string): boolean {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).startsWith('Z');
  } catch {
    return false;
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended.
  }
}
