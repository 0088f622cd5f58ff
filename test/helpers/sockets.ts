// SPDX-License-Identifier: Apache-2.0
// Where processes of this machine listen, by what Linux says of them.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Addresses (as in /proc, in hexadecimal) on which processes listen whose command line holds `part`. */
export function listeningAddresses(part: string): string[] {
  const inodes = new Set<string>();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(part)) continue;
      for (const fd of readdirSync(`/proc/${pid}/fd`)) {
        const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
        if (inode !== undefined) inodes.add(inode);
      }
    } catch {
      // It is gone, or has closed that one.
    }
  }
  const LISTEN = '0A';
  return ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === LISTEN && inodes.has(fields[9] ?? ''))
      .map((fields) => fields[1]!.split(':')[0]!),
  );
}

/** Whether such an address is one that only this machine reaches: 127.0.0.1, the same in IPv6's form, or ::1. */
export function isLoopback(address: string): boolean {
  return [
    '0100007F',
    '0000000000000000FFFF00000100007F',
    '00000000000000000000000001000000',
  ].includes(address);
}
