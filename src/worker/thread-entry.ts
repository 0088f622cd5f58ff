// SPDX-License-Identifier: Apache-2.0
// What a thread of the submitting program runs: it loads the program's module and has its pipeline served.

import { parentPort, workerData } from 'node:worker_threads';
import { loadProgram } from './load.ts';
import type { FromThread, ThreadProgram } from './threads/messages.ts';
import { toPlainError } from './threads/plain-error.ts';
import { SERVE_THREAD, type ServeThread } from './threads/serve-thread.ts';

const port = parentPort!;
const { program } = workerData as { program: ThreadProgram };
// Modules look at it to find out whether they are the program.
process.argv = [...program.argv];
try {
  const serve = await loadProgram<ServeThread>(program, SERVE_THREAD);
  await serve({ program, port });
} catch (error) {
  port.postMessage({ kind: 'refused', error: toPlainError(error) } satisfies FromThread);
}
