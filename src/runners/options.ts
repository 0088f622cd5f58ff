// SPDX-License-Identifier: Apache-2.0
// Options of a run: what this package reads of them, and the form in which a job service takes all.

import { BeamBridgeError, given } from '../base/index.ts';
import type { Pipeline, TransformNode } from '../pipeline/index.ts';
import { urns } from '../proto/index.ts';
import { OURS, refuseTypos } from './option-typos.ts';

/** Names of the runners that a program can ask for. */
export type RunnerName =
  | 'direct'
  | 'portable'
  | 'node'
  | 'prism'
  | 'flink'
  | 'spark'
  | 'dataflow'
  // Names of the official SDK: `node` and `direct`.
  | 'default'
  | 'universal';

/** Where functions of a program run: Beam's names. */
export type EnvironmentType = 'LOOPBACK' | 'PROCESS' | 'EXTERNAL' | 'DOCKER';

/**
 * Options of a runner or of one run; those of the run win. What is not listed here is passed to
 * the job service and to the SDK harnesses as it is, under Beam's name for it: `tempLocation` as
 * `temp_location`.
 */
export interface PipelineOptions {
  /**
   * Which engine executes the pipeline: `node` is this process, with Python workers beside it for
   * Python stages, in batch and in streaming; `direct` is Python's DirectRunner in the managed
   * Python host; `prism` is Beam's Prism, in a process of its own; `flink` is Apache Flink and `spark` Apache Spark (batch alone), by Beam's job servers; `dataflow` is Google Cloud Dataflow, by Beam's own runner of it; `portable` any Beam job service at `jobEndpoint` whose workers run on this machine:
   * functions of this program run in it, Python stages in workers of the managed Python host.
   *
   * @default `'node'`, and `'portable'` where there is a `jobEndpoint`
   */
  // A text too: `const options = { runner: 'direct' }` has no narrower type.
  runner?: RunnerName | (string & {}) | undefined;
  /** Runner `prism`: path of the program. @default `prism` on the path, else one that Go builds once */
  prismBinary?: string | undefined;
  /** Runner `prism`: the release of Beam that is built where there is no Prism. @default '2.77.0' */
  prismVersion?: string | undefined;
  /**
   * Runner `flink`: `'[local]'` for a Flink inside the job server, or `HOST:PORT` of the REST of a
   * cluster's JobManager, whose TaskManagers must reach this machine. @default '[local]'
   */
  flinkMaster?: string | undefined;
  /**
   * Runner `flink`: the jar of Beam's job server, a folder with its jars, a class path, or Maven
   * coordinates. @default coordinates made of `flinkVersion` and `flinkBeamVersion`, fetched once
   */
  flinkJobServer?: string | undefined;
  /** Runner `flink`: major and minor release of Flink. @default what the cluster says, else '1.20' */
  flinkVersion?: string | undefined;
  /** Runner `flink`: the release of Beam whose job server is fetched. @default '2.77.0' */
  flinkBeamVersion?: string | undefined;
  /** Runner `flink`: options of Java for the job server. @default ['-Xmx1g'] */
  flinkJavaOptions?: readonly string[] | undefined;
  /**
   * Runner `spark`: `'local[*]'` and the like for a Spark inside the job server, or the master of a cluster,
   * `'spark://HOST:PORT'`, whose executors must reach this machine. @default 'local[*]'
   */
  sparkMaster?: string | undefined;
  /**
   * Runner `spark`: the jar of Beam's job server, a folder with its jars, a class path, or Maven
   * coordinates. @default `org.apache.beam:beam-runners-spark-3-job-server` of `sparkBeamVersion`, fetched once
   */
  sparkJobServer?: string | undefined;
  /** Runner `spark`: the release of Beam whose job server is fetched. @default '2.77.0' */
  sparkBeamVersion?: string | undefined;
  /** Runner `spark`: options of Java for the job server. @default ['-Xmx1g'] */
  sparkJavaOptions?: readonly string[] | undefined;
  /** Runner `flink`: how many tasks of each step there are. @default what Flink is configured to */
  parallelism?: number | undefined;
  /** Runner `flink`: milliseconds between two checkpoints of a stream. @default none are made */
  checkpointingInterval?: number | undefined;
  /**
   * Runner `flink`: the savepoint from which a stream goes on, as `stopWithSavepoint()` gave it. The
   * pipeline must be the same one. @default it starts anew
   */
  savepointPath?: string | undefined;
  /**
   * Runner `flink`, on a cluster: a folder, or an address that Flink knows, where `drain()` and
   * `stopWithSavepoint()` put savepoints. JobManager and TaskManagers must reach it.
   * @default what the cluster is configured to: `state.savepoints.dir`
   */
  flinkSavepoints?: string | undefined;
  /**
   * Runner `flink`: a folder, or an address that Beam knows, where programs are put for workers elsewhere,
   * which TaskManagers on other machines must reach. @default a temporary folder of this machine
   */
  flinkArtifacts?: string | undefined;
  /** Runner `dataflow`, which needs it: the id of the project that runs the job, and pays for it. */
  project?: string | undefined;
  /** Runner `dataflow`, which needs it: where workers run, such as `'europe-west1'`. */
  region?: string | undefined;
  /** Runner `dataflow`, which needs it: a folder for temporary files, `gs://…`. Other engines take what they know. */
  tempLocation?: string | undefined;
  /** Runner `dataflow`: a folder for the program and what else workers fetch, `gs://…`. @default `tempLocation` */
  stagingLocation?: string | undefined;
  /** `HOST:PORT` of a Beam job service. Implies the runner `portable` unless one is named. */
  jobEndpoint?: string | undefined;
  /**
   * `HOST:PORT` of an expansion service to use in place of the managed Python host, for transforms
   * that do not name one themselves.
   */
  expansionService?: string | undefined;
  /** What the job is called. @default `'beambridge-'` and the name of the program's file */
  jobName?: string | undefined;
  /** Path of a Python interpreter to use as it is. @default the environment variable `BEAMBRIDGE_PYTHON` */
  python?: string | undefined;
  /** Cancels the job; the run rejects with `ABORTED`. */
  signal?: AbortSignal | undefined;
  /**
   * Whether SIGINT, SIGTERM and SIGHUP are looked after while the job runs: SIGINT and SIGTERM drain a
   * stream of runner `node`, after which the run resolves and the program goes on; a second one, and the
   * first for other jobs, cancels the job and ends the program. With `false` they are the program's.
   *
   * @default true
   */
  handleSignals?: boolean | undefined;
  /**
   * Whether a run that takes longer than a moment shows a line of progress on standard error.
   *
   * @default true when standard error is a terminal
   */
  progress?: boolean | undefined;
  /**
   * Runner `node`: whether values are encoded, decoded and frozen between any two steps, even where
   * they stay in this process. Slower, and finds what another runner would stumble over: values that
   * no coder keeps (`CODER_MISMATCH`), and steps that change their input (`INPUT_MUTATED`). What a
   * `TestPipeline` does. @default false
   */
  forceEncoding?: boolean | undefined;
  /** Runner `node`: processes that execute Python stages at the same time. Others refuse it. @default 1 */
  pythonWorkers?: number | undefined;
  /**
   * Runner `node`: threads that execute functions of this program at the same time, where the pipeline is an
   * exported one, `pipeline(import.meta.url, …)`; each loads its module once more. They start when a stage that
   * they can run has had enough to do. With 0 or 1 all functions run on the main thread, as those of a pipeline
   * written inline do anyway, and see the module's variables that the rest of the program sees. Other runners refuse it.
   *
   * @default 1
   */
  nodeWorkers?: number | undefined;
  /**
   * Runner `node`: how long a worker of an expansion service that is not the managed Python host may
   * take until it connects. Milliseconds. Other runners refuse it. @default 60,000
   */
  workerStartTimeoutMs?: number | undefined;
  /**
   * Runners `portable`, `prism`, `flink` and `spark`: where functions of this program run. `LOOPBACK` is this process, which the engine
   * must be able to reach; `PROCESS` are processes that the engine starts; `EXTERNAL` those of a pool
   * (`beambridge worker-pool`); `DOCKER` containers that the engine starts. With all but `LOOPBACK` the
   * pipeline is one that a module exports, and this program may end once the job is submitted.
   *
   * @default `'LOOPBACK'`
   */
  environmentType?: EnvironmentType | (string & {}) | undefined;
  /**
   * What the `environmentType` is told, as Beam has it: for `PROCESS` `{ command, env }`, where `command` is
   * one file that can be executed (@default one that is made on this machine); for `EXTERNAL` the
   * `HOST:PORT` of the pool, or `{ url, params: { token } }`; for `DOCKER` the name of the image. Objects
   * may be given as the text of their JSON, too.
   */
  environmentConfig?: string | Readonly<Record<string, unknown>> | undefined;
  /**
   * The same for Python stages of the managed Python, whose workers are those of its host where it is
   * `LOOPBACK`: then the host, and this program, must be there as long as the job.
   *
   * @default `'PROCESS'` where the `environmentType` is that and names no command, or the
   * `environmentType` where there is a `pythonEnvironmentConfig`; else `'LOOPBACK'`
   */
  pythonEnvironmentType?: EnvironmentType | (string & {}) | undefined;
  /** What the `pythonEnvironmentType` is told, as `environmentConfig`; a pool is `beambridge worker-pool --python`. */
  pythonEnvironmentConfig?: string | Readonly<Record<string, unknown>> | undefined;
  /**
   * How this program gets to workers elsewhere: as a `bundle`, which esbuild makes and the engine hands on;
   * as a `package`, which `npm pack` makes, the engine hands on, and workers install with what it depends on,
   * native code too; or as the `module` itself, which workers have under the same path, with all that it
   * imports.
   *
   * @default `'bundle'`
   */
  workerProgram?: 'bundle' | 'package' | 'module' | undefined;
  [name: string]: unknown;
}

/** The options of a run: those of the runner, and over them those of the run. */
export function mergeOptions(
  runner: PipelineOptions = {},
  run: PipelineOptions = {},
): PipelineOptions {
  refuseTypos(run);
  return { ...runner, ...given(run) };
}

/** What only `node` can do. `forceEncoding` is not among it: the others encode what goes from stage to stage. */
const OF_NODE = ['pythonWorkers', 'nodeWorkers', 'workerStartTimeoutMs'] as const;

/**
 * Refuses options that a runner would leave aside without a word.
 *
 * @throws BeamBridgeError `UNSUPPORTED`
 */
export function refuseOptionsOfNode(options: PipelineOptions, runner: string): void {
  const name = OF_NODE.find(
    (option) =>
      options[option] !== undefined &&
      !(option === 'pythonWorkers' && options[option] === 1) &&
      !(option === 'nodeWorkers' && Number(options[option]) <= 1),
  );
  if (name === undefined) return;
  throw new BeamBridgeError('UNSUPPORTED', `the runner '${runner}' has no option ${name}`, {
    hint: `Leave it out, or use runner: 'node'. ${
      runner === 'direct'
        ? 'Python stages run in the host, one bundle after the other, and functions of this program on its main thread.'
        : 'The job service says how many workers it wants.'
    }`,
  });
}

/** Whether functions of this program run in processes other than this one. */
export function runsElsewhere({ environmentType = 'LOOPBACK' }: PipelineOptions): boolean {
  return environmentType !== 'LOOPBACK';
}

/** Whether the runner can keep a step's input stable: Flink does with its checkpoints. */
export function hasStableInput({ runner, checkpointingInterval }: PipelineOptions): boolean {
  return runner === 'flink' && (checkpointingInterval ?? 0) > 0;
}

/** The first step that wants its input stable, if there is one. */
export function wantsStableInput({ transforms }: Pipeline): TransformNode | undefined {
  return transforms.find(({ requirements }) => requirements.has(STABLE_INPUT));
}

const { REQUIRES_STABLE_INPUT: STABLE_INPUT } = urns.StandardRequirements_Enum;

/** A value of JSON. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | JsonValue[]
  | { [name: string]: JsonValue };

/**
 * The options as a job service takes them: `{ 'beam:option:<snake_case_name>:v1': value }`.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT` for a value that JSON has no form for
 */
export function optionsToStruct(options: PipelineOptions): Record<string, JsonValue> {
  const struct: Record<string, JsonValue> = {};
  for (const [name, value] of Object.entries(options)) {
    if (OURS.includes(name) || value === undefined) continue;
    struct[`beam:option:${snakeCase(name)}:v1`] = toJson(value, name);
  }
  return struct;
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function toJson(value: unknown, path: string): JsonValue {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      if (Number.isFinite(value)) return value;
      break;
    case 'bigint':
      if (BigInt(Number(value)) === value) return Number(value);
      break;
    case 'object':
      if (value === null) return null;
      if (Array.isArray(value)) return value.map((item, i) => toJson(item, `${path}[${i}]`));
      if (value instanceof Date) return value.toISOString();
      if (value instanceof URL) return value.href;
      if (isPlain(value)) return objectToJson(value, path);
  }
  throw new BeamBridgeError('INVALID_ARGUMENT', `the pipeline option ${path} cannot be sent`, {
    hint: 'Pipeline options travel as JSON: use strings, finite numbers, booleans, null, arrays and plain objects.',
  });
}

function isPlain(value: object): value is Record<string, unknown> {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function objectToJson(value: Record<string, unknown>, path: string): JsonValue {
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .map(([key, inner]) => [key, toJson(inner, `${path}.${key}`)]),
  );
}

/** A runner that knows batch and streaming apart must be told which one it is. */
export function withStreaming(options: PipelineOptions, isStream: boolean): PipelineOptions {
  return isStream && options.streaming === undefined ? { ...options, streaming: true } : options;
}

/** What a job is called after its program. */
export function defaultJobName(): string {
  const program = (process.argv[1] ?? 'program').split(/[\\/]/).at(-1)!;
  const clean = program.replace(/\.[cm]?[jt]sx?$/, '').replace(/[^A-Za-z0-9]+/g, '-');
  return `beambridge-${clean.toLowerCase()}`;
}
