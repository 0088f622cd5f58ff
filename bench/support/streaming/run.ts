// SPDX-License-Identifier: Apache-2.0
// One streaming run: starts the pipeline, kills a Python worker half-way, ends it, and looks at what
// came out and at what is left.

import { setTimeout as delay } from 'node:timers/promises';
import { createRunner, type JobState, setLogSink } from '../../../src/index.ts';
import { stopHosts } from '../../../src/services/index.ts';
import { linesOf, predictedByPython, trainedDigits } from '../../../test/helpers/digits.ts';
import { Ledger } from './ledger.ts';
import { type Growth, isOurs, MemorySamples } from './memory.ts';
import { streamingPipeline } from './pipeline.ts';
import { descendants, killAtWork, pythonProcesses } from './processes.ts';

export interface StreamRunOptions {
  seconds: number;
  /** Readings per second. */
  rate: number;
  /** Readings at once when a worker is killed. */
  burst: number;
  /** How it ends: its source does, or the program cancels it. */
  end: 'drain' | 'cancel';
  /** Between two looks at the memory. */
  sampleMs: number;
}

export interface StreamRun {
  state: JobState;
  /** What is wrong. */
  complaints: string[];
  ledger: Ledger;
  growth: Growth[];
  samples: number[][];
  /** How often a bundle had to run again, as the log tells. */
  retries: number;
  /** Elements that the runner dropped as too late, as its metrics tell. */
  dropped: number;
  /** From the wish to end to the end. */
  stopMs: number;
}

export async function streamRun(options: StreamRunOptions): Promise<StreamRun> {
  const { seconds, rate, burst, end, sampleMs } = options;
  const digits = await trainedDigits();
  const rows = linesOf(digits.all).map((line) => line.split(',').map(Number).slice(1));
  const answers = predictedByPython(digits, digits.all).map((line) => Number(line.split(',')[1]));
  const ledger = new Ledger(answers);
  const complaints: string[] = [];
  let retries = 0;
  const restoreLog = setLogSink((record, before) => {
    if (record.message.includes('runs again')) retries += 1;
    else before(record);
  });
  const seen = new Set<number>();
  const lookAround = () => {
    for (const { pid, command } of descendants()) if (isOurs(command)) seen.add(pid);
  };
  let killing: Promise<void> | undefined;
  let endedAt = 0;
  const events = {
    rate,
    durationMs: end === 'drain' ? seconds * 1000 : undefined,
    burst: { afterMs: burst > 0 ? seconds * 500 : Number.POSITIVE_INFINITY, size: burst },
    isFlowing: () => ledger.scored > 0,
    onReading: (reading: { id: number; at: number }) => ledger.onReading(reading),
    onBurst: () => {
      lookAround();
      const [worker] = pythonProcesses().workers;
      if (!worker) complaints.push('there was no Python worker to kill');
      else killing = killAtWork(worker.pid);
    },
    onEnd: () => {
      endedAt = Date.now();
    },
  };
  using memory = new MemorySamples(sampleMs);
  const result = await createRunner({ runner: 'node', progress: false }).runAsync(
    streamingPipeline({ events, model: digits.model, rows, ledger }),
  );
  if (end === 'cancel') {
    while (ledger.scored === 0 && result.state === 'RUNNING') await delay(50);
    await delay(seconds * 1000);
    endedAt = Date.now();
    await result.cancel();
  }
  const state = await result.waitUntilFinish();
  const stopMs = Date.now() - endedAt;
  await killing;
  const { droppedDueToLateness: dropped = 0 } = (await result.metrics()).counters();
  lookAround();
  await stopHosts();
  restoreLog();
  for (const { pid, command } of descendants()) {
    if (isOurs(command)) seen.add(pid);
    if (seen.has(pid)) complaints.push(`process ${pid} is left: ${command.slice(-80)}`);
  }
  const wanted: JobState = end === 'drain' ? 'DONE' : 'CANCELLED';
  if (state !== wanted) complaints.push(`the run is ${state}, not ${wanted}`);
  if (burst > 0 && retries === 0) complaints.push('no bundle had to run again');
  complaints.push(...(end === 'drain' ? ledger.verdict() : ledger.doubts()));
  return {
    state,
    complaints,
    ledger,
    growth: memory.growth(),
    samples: memory.all(),
    retries,
    dropped,
    stopMs,
  };
}
