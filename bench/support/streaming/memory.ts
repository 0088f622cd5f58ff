// SPDX-License-Identifier: Apache-2.0
// The memory of the streaming run's processes over time: does it grow?

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Process, pythonProcesses, residentMb } from './processes.ts';

/** What is looked at, in MB. */
export interface Sample {
  /** Of this process, after its garbage was collected. */
  heap: number;
  node: number;
  host: number;
  workers: number;
}

const WHAT = ['heap', 'node', 'host', 'workers'] as const;

/** One quarter of the run against another, as far as it is told by a mean. */
export interface Growth {
  what: (typeof WHAT)[number];
  first: number;
  last: number;
  peak: number;
}

export class MemorySamples implements Disposable {
  private readonly samples: Sample[] = [];
  private readonly timer: NodeJS.Timeout;
  private readonly collect: () => void;

  constructor(intervalMs: number) {
    setFlagsFromString('--expose-gc');
    this.collect = runInNewContext('gc') as () => void;
    this.timer = setInterval(() => this.samples.push(this.sample()), intervalMs);
  }

  private sample(): Sample {
    this.collect();
    const { heapUsed, external, rss } = process.memoryUsage();
    const { host, workers } = pythonProcesses();
    const sum = (processes: readonly Process[]) =>
      processes.reduce((mb, { pid }) => mb + residentMb(pid), 0);
    return {
      heap: (heapUsed + external) / 1e6,
      node: rss / 1e6,
      host: sum(host),
      workers: sum(workers),
    };
  }

  /** The first quarter after the start against the last, without the first and last tenth. */
  growth(): Growth[] {
    const { samples } = this;
    const edge = Math.floor(samples.length / 10);
    const steady = samples.slice(edge, samples.length - edge);
    const quarter = Math.max(1, Math.floor(steady.length / 4));
    return WHAT.map((what) => {
      const values = steady.map((sample) => sample[what]);
      return {
        what,
        first: mean(values.slice(0, quarter)),
        last: mean(values.slice(-quarter)),
        peak: Math.max(...values),
      };
    });
  }

  /** All samples, rounded. */
  all(): number[][] {
    return this.samples.map((sample) => WHAT.map((what) => Math.round(sample[what] * 10) / 10));
  }

  [Symbol.dispose](): void {
    clearInterval(this.timer);
  }
}

/** Whether it is a process that this package started. */
export function isOurs(command: string): boolean {
  return command.includes('beambridge');
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
