// SPDX-License-Identifier: Apache-2.0
// Sends a bundle's input to its worker, in messages that are neither small nor huge.

import { setImmediate as turn } from 'node:timers/promises';
import { BeamBridgeError } from '../../../base/index.ts';
import { type BundleInput, type InputChunk, isThenable } from '../../../harness/index.ts';
import { create, fn, type MessageInitShape } from '../../../proto/index.ts';
import type { Registered } from './descriptors.ts';
import type { Worker } from './worker.ts';

type Elements = MessageInitShape<typeof fn.ElementsSchema>;

/** gRPC moves most bytes a second in messages from a quarter of this to twice as much. */
const MESSAGE_BYTES = 512 * 1024;

/** Where input is sent. */
export interface InputTarget {
  readonly worker: Pick<Worker, 'send'>;
  readonly instructionId: string;
  readonly stage: Pick<Registered, 'sources' | 'timers'>;
  /** Ends the sending: the bundle is over, one way or the other. */
  readonly signal: AbortSignal;
}

/** Resolves when all was sent. Rejects with what `input` or the worker's stream failed with. */
export async function sendInput(input: BundleInput, target: InputTarget): Promise<void> {
  const { worker, instructionId, stage, signal } = target;
  let waiting: InputChunk[] = [];
  let size = 0;
  const flush = async () => {
    const message = join(instructionId, waiting);
    waiting = [];
    size = 0;
    await worker.send(message);
  };
  for (;;) {
    const next = input.next();
    if (isThenable(next) && size > 0 && !(await isHere(next))) await flush();
    const chunk = await next;
    if (signal.aborted) return;
    if (!chunk) break;
    if ('elements' in chunk) {
      throw new BeamBridgeError('INTERNAL', 'a Python stage was given elements without bytes');
    }
    waiting.push(chunk);
    size += chunk.data.length;
    if (size >= MESSAGE_BYTES) await flush();
    if (signal.aborted) return;
  }
  if (size > 0) await flush();
  // Python ignores the bytes of a message that says it is the last, so these have none.
  await worker.send({
    data: stage.sources.map((transformId) => ({ instructionId, transformId, isLast: true })),
    timers: stage.timers.map((port) => ({ ...port, instructionId, isLast: true })),
  });
}

/** Whether a promise settles within a turn of the event loop. */
async function isHere(promise: PromiseLike<unknown>): Promise<boolean> {
  let here = false;
  const settled = () => {
    here = true;
  };
  promise.then(settled, settled);
  await turn();
  return here;
}

/** Chunks for one transform become one piece; the order between transforms does not matter. */
function join(instructionId: string, chunks: readonly InputChunk[]): Elements {
  const targets = new Map<string, InputChunk[]>();
  for (const chunk of chunks) {
    const key = JSON.stringify([chunk.transformId, chunk.timerFamilyId]);
    const same = targets.get(key);
    if (same) same.push(chunk);
    else targets.set(key, [chunk]);
  }
  const data: fn.Elements_Data[] = [];
  const timers: fn.Elements_Timers[] = [];
  for (const same of targets.values()) {
    const [{ transformId, timerFamilyId, data: only }] = same as [InputChunk];
    const bytes = same.length === 1 ? only : Buffer.concat(same.map((chunk) => chunk.data));
    if (timerFamilyId === undefined) {
      data.push(create(fn.Elements_DataSchema, { instructionId, transformId, data: bytes }));
    } else {
      const port = { transformId, timerFamilyId };
      timers.push(create(fn.Elements_TimersSchema, { ...port, instructionId, timers: bytes }));
    }
  }
  return { data, timers };
}
