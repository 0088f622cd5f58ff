// SPDX-License-Identifier: Apache-2.0
// A worker ends with the process that started it. Its connections tell that, too, but not while a user's
// function keeps the event loop: so a thread of its own looks.

import { Worker } from 'node:worker_threads';

const LOOK_MS = 500;
/** How long the worker may take to end in order. Milliseconds. */
const GRACE_MS = 2000;

const WATCH = `
const { workerData } = require('node:worker_threads');
const timer = setInterval(() => {
  if (process.ppid === workerData.parent) return;
  clearInterval(timer);
  process.kill(process.pid, 'SIGTERM');
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), workerData.grace);
}, workerData.look);
`;

/** Ends this process once its parent, as it is now, is gone: SIGTERM, then SIGKILL. */
export function endWithParent(): void {
  const workerData = { parent: process.ppid, look: LOOK_MS, grace: GRACE_MS };
  new Worker(WATCH, { eval: true, workerData, execArgv: [], stdin: false }).unref();
}
