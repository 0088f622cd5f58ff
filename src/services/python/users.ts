// SPDX-License-Identifier: Apache-2.0
// Which processes of this machine run on the Python of an environment: hosts, their workers, anything
// that a person started with it. Read from the kernel, since a file that says so outlives who wrote it.

import { readdir, readFile, realpath } from 'node:fs/promises';
import path from 'node:path';
import { mapSome } from '../../base/index.ts';
import { runTool } from '../process/run-tool.ts';

/** Process ids by the folder of the environment whose Python they run on, symbolic links resolved. */
export async function environmentUsers(): Promise<Map<string, number[]>> {
  const users = new Map<string, number[]>();
  for (const [pid, command] of await commands()) {
    if (!/\/bin\/python[\d.]*$/.test(command)) continue;
    const folder = await resolved(path.dirname(path.dirname(command)));
    users.set(folder, [...(users.get(folder) ?? []), pid]);
  }
  return users;
}

/** A path without symbolic links; what is not there any more, as it is. */
export function resolved(file: string): Promise<string> {
  return realpath(file).catch(() => file);
}

async function commands(): Promise<[pid: number, command: string][]> {
  const names = await readdir('/proc').catch(() => []);
  const pids = names.filter((name) => /^\d+$/.test(name));
  if (pids.length === 0) return listed();
  return mapSome(pids, async (pid): Promise<[number, string]> => {
    // Gone in the meantime, or another user's: neither is one of ours.
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    return [Number(pid), line.split('\0', 1)[0] ?? ''];
  });
}

/** Where there is no /proc. */
async function listed(): Promise<[pid: number, command: string][]> {
  const found: [number, string][] = [];
  await runTool('ps', ['-axww', '-o', 'pid=,args='], {
    onLine: (line) => {
      const [, pid, command] = /^\s*(\d+)\s+(.*?\/bin\/python[\d.]*)(?:\s|$)/.exec(line) ?? [];
      if (pid && command) found.push([Number(pid), command]);
      return undefined;
    },
  });
  return found;
}
