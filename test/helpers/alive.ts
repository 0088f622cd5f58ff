// SPDX-License-Identifier: Apache-2.0
// Whether processes are there, for tests of what outlives what.

import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Resolves once the process has ended, which must be within 10 s. */
export async function gone(pid: number): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (isAlive(pid)) {
    assert.ok(Date.now() < deadline, `process ${pid} is still there after 10 s`);
    await delay(50);
  }
}
