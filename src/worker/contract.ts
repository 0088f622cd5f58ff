// SPDX-License-Identifier: Apache-2.0
// What the submitting program tells a worker, as one text among the pipeline options: every runner hands
// those on, and none reads this one. Runners turn numbers of options into doubles, and some drop nulls,
// so the program's own options travel in here, in this package's coder.

import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { BeamBridgeError } from '../base/index.ts';
import { decodeValue, encodeValue, JsCoder } from '../coders/index.ts';
import type { GraphDigest } from '../pipeline/index.ts';

/** Raised when a worker of before could not make sense of what is said. */
export const PROTOCOL = 2;

/** The pipeline option that holds a {@link WorkerProgram}. */
export const PROGRAM_OPTION = 'beambridgeProgram';

/** Names under which runners hand that option to workers. */
const OPTION_NAMES = [
  'beam:option:beambridge_program:v1',
  'beambridge_program',
  PROGRAM_OPTION,
] as const;

/** A program as a worker loads it. */
export interface WorkerProgram {
  readonly protocol: number;
  /** The version of this package in the submitting program. */
  readonly version: string;
  /** The name under which the module exports the pipeline. */
  readonly exportName: string;
  /** `file:` URL of the module, for a worker that has it under the same path; else it is an artifact. */
  readonly moduleUrl: string;
  /** The bundle that was staged, if one was. */
  readonly bundle?:
    | { readonly name: string; readonly sha256: string; readonly bytes: number }
    | undefined;
  /** The package that was staged, if one was, and the path of the module in it. */
  readonly packed?:
    | {
        readonly name: string;
        readonly sha256: string;
        readonly bytes: number;
        readonly entry: string;
      }
    | undefined;
  /** The submitting program's arguments and folder, since modules look at them when they are loaded. */
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly digest: GraphDigest;
  /** `Pipeline.runMark`. */
  readonly runMark?: string | undefined;
  /** The options of the run, by {@link optionsToText}. */
  readonly options: string;
}

/** What every version's text holds, whatever else it does. */
interface Envelope {
  readonly protocol: number;
}

/** The value of {@link PROGRAM_OPTION}. */
export function programToText(program: WorkerProgram): string {
  return deflateRawSync(JSON.stringify(program)).toString('base64');
}

/**
 * The program that a runner's options name.
 *
 * @throws BeamBridgeError `WORKER_START_FAILED` where they name none, `WORKER_MISMATCH` for another protocol
 */
export function programOf(options: Readonly<Record<string, unknown>>): WorkerProgram {
  // Dataflow hands them on as a part of more.
  const all = isObject(options.options) ? { ...options.options, ...options } : options;
  const text = OPTION_NAMES.map((name) => all[name]).find((value) => value !== undefined);
  if (typeof text !== 'string') {
    throw new BeamBridgeError(
      'WORKER_START_FAILED',
      'the runner told this worker of no program: its pipeline options lack beambridge_program',
      {
        hint: "Submit the pipeline with beambridge's runner 'portable' and its option environmentType. A pool of this package is for TypeScript's stages, not for those of other SDKs.",
      },
    );
  }
  const program = parse(text);
  if (program.protocol !== PROTOCOL) {
    throw new BeamBridgeError(
      'WORKER_MISMATCH',
      `the program was submitted for workers of protocol ${program.protocol}, and this one speaks ${PROTOCOL}`,
      {
        hint: 'Install one version of beambridge where programs are submitted and where workers run.',
      },
    );
  }
  return program as WorkerProgram;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function parse(text: string): Envelope {
  try {
    return JSON.parse(inflateRawSync(Buffer.from(text, 'base64')).toString('utf8')) as Envelope;
  } catch (cause) {
    throw new BeamBridgeError(
      'WORKER_START_FAILED',
      'the pipeline option beambridge_program cannot be read',
      { cause, hint: 'It must reach workers as it was submitted.' },
    );
  }
}

/** What says who starts workers, and holds the tokens of pools: nothing for workers to know. */
const NOT_FOR_WORKERS: ReadonlySet<string> = new Set([
  'environmentConfig',
  'pythonEnvironmentConfig',
]);

/**
 * The options of a run as a text from which they come back as they were, but for signals and for what only
 * says who starts workers.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT` for a value that has no copy elsewhere: functions, instances
 */
export function optionsToText(options: Readonly<Record<string, unknown>>): string {
  const entries = Object.entries(options).filter(
    ([name, value]) =>
      value !== undefined && !(value instanceof AbortSignal) && !NOT_FOR_WORKERS.has(name),
  );
  for (const [name, value] of entries) {
    try {
      encodeValue(new JsCoder(), value);
    } catch (cause) {
      throw new BeamBridgeError(
        'INVALID_ARGUMENT',
        `the pipeline option ${name} cannot travel to workers: ${(cause as BeamBridgeError).shortMessage}`,
        {
          cause,
          hint: 'Give plain values (a URL as its href): workers construct the pipeline again from the same options.',
        },
      );
    }
  }
  return Buffer.from(encodeValue(new JsCoder(), Object.fromEntries(entries))).toString('base64');
}

/** The options that {@link optionsToText} was given. */
export function optionsFromText(text: string): Record<string, unknown> {
  return decodeValue(new JsCoder(), Buffer.from(text, 'base64')) as Record<string, unknown>;
}
