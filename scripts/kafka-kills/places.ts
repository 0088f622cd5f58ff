// SPDX-License-Identifier: Apache-2.0
// Where the program runs, whom one can kill there, and who starts again what was killed: a supervisor of
// the program on `node`, a cluster of Flink with processes of its own.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { FlinkCluster } from '../engines/flink-cluster.ts';
import { flinkDistribution } from '../engines/flink-distribution.ts';
import { kill, marked, type Process } from '../killing.ts';

const JOB = resolve(import.meta.dirname, 'job.ts');
const ENGINES = resolve(import.meta.dirname, '../../.cache/engines');
/** How long a supervisor waits before it starts something again, as systemd does. Milliseconds. */
const PAUSE_MS = 1_000;

/** Kills one process of a kind; undefined where none is there yet. */
export type Kill = () => Promise<Process | undefined>;

export interface Place {
  /** By what is killed. */
  readonly victims: Readonly<Record<string, Kill>>;
  start(): Promise<void>;
  /** Ends the stream in order. */
  stop(): Promise<void>;
  close(): Promise<void>;
}

export interface PlaceOptions {
  /** What the program is told. */
  readonly options: Readonly<Record<string, unknown>>;
  /** For logs. */
  readonly folder: string;
  readonly random: () => number;
}

const isPython = ({ command }: Process) => /^\S*python\S* /.test(command);

/** The Pythons that work, not what has started them: those that have started none. */
function pythonWorkers(found: readonly Process[]): Process[] {
  const pythons = found.filter(isPython);
  return pythons.filter(({ pid }) => !pythons.some(({ parent }) => parent === pid));
}

/** Those of a host of Python's, which is there without any, too. */
function workersOfHost(found: readonly Process[]): Process[] {
  const hosts = new Set(found.filter(isPython).map(({ pid }) => pid));
  return pythonWorkers(found).filter(({ parent }) => hosts.has(parent));
}

function killOne(found: readonly Process[], random: () => number): Process | undefined {
  const victim = found[Math.floor(random() * found.length)];
  if (victim) kill(victim.pid);
  return victim;
}

/** A program on `node`, started again whenever it ends. */
export class NodePlace implements Place {
  private readonly mark: string;
  private child: ChildProcess | undefined;
  private isStopping = false;
  private keeping: Promise<void> | undefined;

  constructor(private readonly given: PlaceOptions) {
    this.mark = `BEAMBRIDGE_KAFKA_KILLS=${given.folder}`;
  }

  readonly victims = {
    'Python worker': async () => killOne(workersOfHost(marked(this.mark)), this.given.random),
    'program of ours': async () => {
      const { pid } = this.child ?? {};
      return killOne(
        marked(this.mark).filter((one) => one.pid === pid),
        this.given.random,
      );
    },
  };

  async start(): Promise<void> {
    this.keeping = this.keep();
  }

  private async keep(): Promise<void> {
    const { folder, options } = this.given;
    const log = createWriteStream(join(folder, 'program.log'));
    await once(log, 'open');
    const [name = '', value] = this.mark.split('=');
    while (!this.isStopping) {
      const args = ['--import', 'tsx', JOB, JSON.stringify({ runner: 'node', ...options })];
      this.child = spawn(process.execPath, args, {
        stdio: ['ignore', log, log],
        env: { ...process.env, [name]: value },
      });
      const [code, signal] = await once(this.child, 'exit');
      log.write(`--- the program ended: ${signal ?? code}\n`);
      if (!this.isStopping) await delay(PAUSE_MS);
    }
    log.end();
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    this.child?.kill('SIGTERM');
    await this.keeping;
  }

  async close(): Promise<void> {
    this.isStopping = true;
    this.child?.kill('SIGKILL');
    await this.keeping;
    for (const { pid } of marked(this.mark)) kill(pid);
  }
}

const TASK_MANAGER = 'taskmanager-1';

/** A cluster of Flink of our own, with a program that has left once it had submitted. */
export class FlinkPlace implements Place {
  private readonly cluster: FlinkCluster;
  private readonly mark: string;
  private address = '';

  constructor(private readonly given: PlaceOptions) {
    const folder = join(given.folder, 'flink');
    this.cluster = new FlinkCluster(folder, () => flinkDistribution(ENGINES));
    // What TaskManagers start inherits it.
    this.mark = `BEAMBRIDGE_ENGINE_FOLDER=${folder}`;
  }

  readonly victims = {
    TaskManager: async () => {
      const pid = this.cluster.taskManager(TASK_MANAGER);
      if (pid === undefined) return undefined;
      kill(pid);
      await delay(PAUSE_MS);
      await this.cluster.restartTaskManager(TASK_MANAGER);
      return { pid, parent: 0, command: TASK_MANAGER };
    },
    'Python worker': async () => killOne(pythonWorkers(marked(this.mark)), this.given.random),
    'worker of ours': async () => {
      const isOurs = ({ command }: Process) => /^\S*node .*\bworker\b/.test(command);
      return killOne(marked(this.mark).filter(isOurs), this.given.random);
    },
  };

  async start(): Promise<void> {
    const { up } = await this.cluster.up({ taskManagers: 2, slots: 1 });
    this.address = up.address;
    const options = {
      runner: 'flink',
      flinkMaster: up.address,
      flinkJobServer: join(ENGINES, 'flink'),
      environmentType: 'PROCESS',
      workerProgram: 'module',
      parallelism: 2,
      checkpointingInterval: 3_000,
      progress: false,
      ...this.given.options,
    };
    const log = createWriteStream(join(this.given.folder, 'program.log'));
    await once(log, 'open');
    const args = ['--import', 'tsx', JOB, JSON.stringify(options), 'leave'];
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', log, log],
      env: { ...process.env, TMPDIR: this.given.folder },
    });
    const [code] = (await once(child, 'exit')) as [number | null];
    if (code !== 0) throw new Error('the program could not be submitted: see program.log');
  }

  async stop(): Promise<void> {
    const { jobs } = (await this.ask('/jobs/overview')) as {
      jobs: { jid: string; state: string }[];
    };
    for (const { jid, state } of jobs) {
      if (state !== 'RUNNING') throw new Error(`the job is ${state} on Flink`);
      await this.ask(`/jobs/${jid}?mode=cancel`, 'PATCH');
      for (;;) {
        const job = (await this.ask(`/jobs/${jid}`)) as { state: string };
        if (job.state === 'CANCELED') break;
        await delay(200);
      }
    }
  }

  private async ask(path: string, method = 'GET'): Promise<unknown> {
    const response = await fetch(`http://${this.address}${path}`, { method });
    return response.json();
  }

  async close(): Promise<void> {
    await this.cluster.down();
  }
}
