// SPDX-License-Identifier: Apache-2.0
// A real Flink cluster on this machine: a JobManager and TaskManagers, each a process of its own, on
// loopback alone and on ports that the kernel picks. Up when all slots are there, or not at all.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { stringify } from 'yaml';
import { findJava, OPEN_PACKAGES } from '../../src/services/engines/java.ts';
import { Detached, Told } from './detached.ts';

const HOST = '127.0.0.1';
/** Java starts from a cold disk, on a machine with other things to do. Milliseconds. */
const START_MS = 90_000;
/** How long a JobManager may take to answer. Milliseconds. */
const ANSWER_MS = 3000;
const JOB_MANAGER = 'jobmanager';
const SESSION = 'org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint';
const TASKS = 'org.apache.flink.runtime.taskexecutor.TaskManagerRunner';

/** How large a cluster is. */
export interface Size {
  readonly taskManagers: number;
  /** Of each TaskManager. */
  readonly slots: number;
}

/** A cluster that is asked for. */
export interface Wanted extends Size {
  /** A folder with jars whose classes it has beside Flink's, so that a job need not bring them each time. @default none */
  readonly classes?: string | undefined;
}

/** A cluster that is up. */
export interface Up extends Size {
  /** `HOST:PORT` of its REST. */
  readonly address: string;
  readonly version: string;
}

/** The cluster of one folder. */
export class FlinkCluster {
  private readonly processes: Detached;
  private classes: string | undefined;

  /** @param distribution - gives the folder with Flink's `lib` and `bin`, once it is needed */
  constructor(
    private readonly folder: string,
    private readonly distribution: () => Promise<string>,
    private readonly startMs = START_MS,
  ) {
    this.processes = new Detached(folder);
  }

  /** What is up; undefined where nothing is, or no more than a part. */
  async status(): Promise<Up | undefined> {
    const address = await readFile(join(this.folder, 'address'), 'utf8').catch(() => undefined);
    if (address === undefined || !this.processes.living().includes(JOB_MANAGER)) return undefined;
    return overview(address).catch(() => undefined);
  }

  /**
   * Starts it; one that is up stays as it is.
   *
   * @throws Told with the last lines of the process that did not start; nothing is left of it then
   */
  async up(size: Wanted): Promise<{ readonly up: Up; readonly wasUp: boolean }> {
    if (!(await this.processes.claim())) {
      const up = await this.status();
      if (up) return { up, wasUp: true };
      if (this.processes.living().includes('starting'))
        throw new Told('it is being started already');
      // A machine that was switched off, a JobManager that died: what is left of that.
      await this.processes.stop();
      if (!(await this.processes.claim())) throw new Told('it is being started already');
    }
    try {
      this.classes = size.classes;
      const up = await this.start(size);
      await this.processes.started();
      return { up, wasUp: false };
    } catch (error) {
      await this.processes.stop();
      throw error;
    }
  }

  /** Ends what runs. @returns whether anything was there */
  async down(): Promise<boolean> {
    const isThere = !(await this.processes.claim());
    await this.processes.stop();
    return isThere;
  }

  private async start(size: Size): Promise<Up> {
    const java = await findJava();
    const flink = await this.distribution();
    await mkdir(join(this.folder, 'tmp'));
    await this.configure(size);
    const memory = (what: string) => this.memory(java, flink, what);
    const [ofJob, ofTasks] = await Promise.all([
      memory('GET_JM_RESOURCE_PARAMS'),
      memory('GET_TM_RESOURCE_PARAMS'),
    ]);
    this.run({ java, flink, name: JOB_MANAGER, memory: ofJob, main: SESSION });
    const [rpc, address] = await this.processes.until(JOB_MANAGER, ports, this.startMs);
    const names = Array.from({ length: size.taskManagers }, (_, i) => `taskmanager-${i + 1}`);
    for (const name of names) this.runTasks({ java, flink, name, memory: ofTasks }, rpc);
    for (const name of names) {
      const registered = (log: string) =>
        /Successful registration at resource manager/.test(log) || undefined;
      await this.processes.until(name, registered, this.startMs);
    }
    const { taskManagers, slots } = size;
    // It says so a moment before it counts them.
    const up = await this.processes.until(
      JOB_MANAGER,
      async () => {
        const found = await overview(address).catch(() => undefined);
        return found?.taskManagers === taskManagers && found.slots === slots ? found : undefined;
      },
      this.startMs,
    );
    await writeFile(join(this.folder, 'address'), address);
    return up;
  }

  /** The process of a TaskManager that runs. */
  taskManager(name: string): number | undefined {
    return this.processes.pidOf(name);
  }

  /** Starts a TaskManager that has ended, as whoever watches over a cluster does. */
  async restartTaskManager(name: string): Promise<void> {
    const java = await findJava();
    const flink = await this.distribution();
    const memory = await this.memory(java, flink, 'GET_TM_RESOURCE_PARAMS');
    const [rpc] = await this.processes.until(JOB_MANAGER, ports, this.startMs);
    this.runTasks({ java, flink, name, memory }, rpc);
  }

  private runTasks(of: Omit<Started, 'main'>, rpc: string): void {
    const more = [
      ...['-D', `jobmanager.rpc.port=${rpc}`],
      ...['-D', `taskmanager.resource-id=${of.name}`],
    ];
    this.run({ ...of, main: TASKS, more });
  }

  private run({ java, flink, name, memory, main, more = [] }: Started): void {
    const temporary = join(this.folder, 'tmp');
    this.processes.start({
      name,
      command: java,
      args: [
        ...memory.java,
        ...OPEN_PACKAGES,
        `-Djava.io.tmpdir=${temporary}`,
        `-Dlog4j.configurationFile=${join(this.folder, 'log4j.properties')}`,
        '-cp',
        // Flink's own come first: the others may have them as well.
        [join(flink, 'lib', '*'), ...(this.classes ? [join(this.classes, '*')] : [])].join(':'),
        main,
        ...['--configDir', this.folder],
        ...memory.flink,
        ...more,
      ],
      // Workers that a TaskManager starts have their temporary files here, too.
      env: { TMPDIR: temporary, FLINK_CONF_DIR: this.folder },
    });
  }

  private async configure({ taskManagers, slots }: Size): Promise<void> {
    const file = (name: string) => `file://${join(this.folder, name)}`;
    const configuration = {
      'jobmanager.rpc.address': HOST,
      'jobmanager.rpc.port': 0,
      'jobmanager.bind-host': HOST,
      'jobmanager.memory.process.size': '1000m',
      'rest.address': HOST,
      'rest.bind-address': HOST,
      'rest.bind-port': '0',
      'taskmanager.host': HOST,
      'taskmanager.bind-host': HOST,
      'taskmanager.numberOfTaskSlots': slots,
      'taskmanager.memory.process.size': '2100m',
      // Batches of four tasks a step with side inputs need more than the default has buffers for.
      'taskmanager.memory.network.min': '256m',
      'taskmanager.memory.network.max': '256m',
      'taskmanager.memory.managed.size': '200m',
      // Beam's data comes and goes by direct memory, and a dozen jobs would have used up the default.
      'taskmanager.memory.task.off-heap.size': '512m',
      // Each job brings the classes of Beam, and they are not all forgotten with it.
      'taskmanager.memory.jvm-metaspace.size': '512m',
      'parallelism.default': taskManagers * slots,
      // Beam and Flink have libraries in common, which must not be there twice.
      'classloader.resolve-order': 'parent-first',
      'io.tmp.dirs': join(this.folder, 'tmp'),
      'state.savepoints.dir': file('savepoints'),
      'state.checkpoints.dir': file('checkpoints'),
    };
    await writeFile(join(this.folder, 'config.yaml'), stringify(configuration));
    await writeFile(join(this.folder, 'log4j.properties'), LOGGING);
  }

  /** Flink's own reckoning of what Java is told. */
  private async memory(java: string, flink: string, what: string): Promise<Memory> {
    const { stdout } = await execa(java, [
      `-Dlog4j.configurationFile=${join(this.folder, 'log4j.properties')}`,
      '-cp',
      [join(flink, 'bin', 'bash-java-utils.jar'), join(flink, 'lib', '*')].join(':'),
      'org.apache.flink.runtime.util.bash.BashJavaUtils',
      what,
      ...['--configDir', this.folder],
    ]);
    const results = [...stdout.matchAll(/^BASH_JAVA_UTILS_EXEC_RESULT:(.*)$/gm)];
    const [ofJava = [], ofFlink = []] = results.map(([, words = '']) => words.trim().split(/\s+/));
    return { java: ofJava, flink: ofFlink };
  }
}

/** A process of Flink's. */
interface Started {
  readonly java: string;
  readonly flink: string;
  readonly name: string;
  readonly memory: Memory;
  readonly main: string;
  readonly more?: readonly string[];
}

interface Memory {
  readonly java: readonly string[];
  readonly flink: readonly string[];
}

/** The ports that a JobManager has got. */
function ports(log: string): [rpc: string, rest: string] | undefined {
  const [, rpc] = /Actor system started at \S+@\S+:(\d+)/.exec(log) ?? [];
  const [, rest] = /Rest endpoint listening at (\S+:\d+)/.exec(log) ?? [];
  return rpc && rest ? [rpc, rest] : undefined;
}

async function overview(address: string): Promise<Up> {
  const response = await fetch(`http://${address}/overview`, {
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  const {
    taskmanagers,
    'slots-total': slots,
    'flink-version': version,
  } = (await response.json()) as {
    taskmanagers: number;
    'slots-total': number;
    'flink-version': string;
  };
  return {
    address,
    version,
    taskManagers: taskmanagers,
    slots: taskmanagers ? slots / taskmanagers : 0,
  };
}

const LOGGING = `rootLogger.level = INFO
rootLogger.appenderRef.console.ref = Console
appender.console.name = Console
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss,SSS} %-5p %c{1} - %m%n
`;
