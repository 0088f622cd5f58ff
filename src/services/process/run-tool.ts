// SPDX-License-Identifier: Apache-2.0
// A command that runs to its end: an installer, a probe. Guarded like every other child.

import { setTimeout as delay } from 'node:timers/promises';
import { BeamBridgeError } from '../../base/index.ts';
import {
  type GuardedOptions,
  type GuardedProcess,
  KILL_AFTER_MS,
  signalGroup,
  spawnGuarded,
} from './guard.ts';
import { onLines } from './lines.ts';
import { Tail } from './tail.ts';

/** The status with which a shell says that there is no such command. */
const NOT_FOUND = 127;
/** The status with which a shell says that a file cannot be executed. */
const NOT_EXECUTABLE = 126;

/** How {@link runTool} runs a command. */
export interface RunToolOptions extends GuardedOptions {
  /** Milliseconds; the command is ended then. @default unlimited */
  timeout?: number;
  /** Sees each line of both outputs; returning `'stop'` ends the command. */
  onLine?: (line: string) => 'stop' | undefined;
  signal?: AbortSignal | undefined;
}

/** How a command ended. */
export interface ToolResult {
  ok: boolean;
  /** Exit status; undefined when a signal ended it. */
  code: number | undefined;
  /** There is no such command, or it cannot be executed. */
  missing: boolean;
  timedOut: boolean;
  /** The end of standard output. */
  stdout: string;
  /** The end of both outputs, in the order in which the lines came. */
  output: string;
}

/**
 * Runs a command to its end. A failing command is a result, not an error.
 *
 * @throws BeamBridgeError `ABORTED`
 */
export async function runTool(
  command: string,
  args: readonly string[],
  { timeout, onLine, signal, ...guarded }: RunToolOptions = {},
): Promise<ToolResult> {
  if (signal?.aborted) throw new BeamBridgeError('ABORTED', `${command} was cancelled`);
  const stdout = new Tail();
  const output = new Tail();
  let started: GuardedProcess;
  try {
    started = await spawnGuarded(command, args, guarded);
  } catch (error) {
    const why = (error as Error).message;
    return { ok: false, code: undefined, missing: false, timedOut: false, stdout: '', output: why };
  }
  const { child, ended } = started;
  const over = new AbortController();
  let timedOut = false;

  const end = (): void => {
    signalGroup(child.pid, 'SIGTERM');
    delay(KILL_AFTER_MS, undefined, { signal: over.signal }).then(
      () => signalGroup(child.pid, 'SIGKILL'),
      () => {},
    );
  };
  const hear = (line: string): void => {
    output.add(`${line}\n`);
    if (onLine?.(line) === 'stop') end();
  };
  onLines(child.stdout, (line) => {
    stdout.add(`${line}\n`);
    hear(line);
  });
  onLines(child.stderr, hear);
  child.stdin.on('error', () => {});
  signal?.addEventListener('abort', end, { signal: over.signal });
  if (timeout !== undefined) {
    delay(timeout, undefined, { signal: over.signal }).then(
      () => {
        timedOut = true;
        end();
      },
      () => {},
    );
  }

  const { code } = await ended;
  over.abort();
  if (signal?.aborted) throw new BeamBridgeError('ABORTED', `${command} was cancelled`);
  return {
    ok: code === 0,
    code,
    missing: code === NOT_FOUND || code === NOT_EXECUTABLE,
    timedOut,
    stdout: stdout.toString(),
    output: output.toString(),
  };
}
