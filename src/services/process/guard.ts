// SPDX-License-Identifier: Apache-2.0
// Every child runs under a small shell that outlives us just long enough to end it. Only the kernel
// is sure to act when a program is killed: it closes the pipe that the shell reads, and the shell
// then ends the child's whole process group. Handlers for exit and signals cannot promise that.

import { execa } from 'execa';

/** How long a process may take to end itself after SIGTERM before SIGKILL. Milliseconds. */
export const KILL_AFTER_MS = 5000;

/** The same when our own program is gone and nobody waits for the result any more. Seconds. */
const ORPHAN_GRACE_S = 3;

// "$@" runs as a child of the shell, both in a process group of their own. The subshell waits for
// the end of standard input, which nobody ever writes to. A signal that arrives interrupts `wait`,
// hence the loop. What the child leaves behind in the group is ended with it.
const GUARD = `
exec 3<&0 </dev/null
trap : TERM INT HUP
"$@" 3<&- &
child=$!
(
  trap '' TERM INT HUP
  while read -r _ <&3; do :; done
  kill -TERM 0
  sleep ${ORPHAN_GRACE_S}
  kill -KILL 0
) >/dev/null 2>&1 &
watcher=$!
while :; do
  wait "$child" 2>/dev/null
  code=$?
  kill -0 "$child" 2>/dev/null || break
done
trap '' TERM INT HUP
kill -KILL "$watcher" 2>/dev/null
kill -TERM 0
exit "$code"
`;

/** How a guarded process is started. */
export interface GuardedOptions {
  /** Added to the environment of this program; `undefined` removes a variable. */
  env?: Readonly<Record<string, string | undefined>>;
  cwd?: string;
}

/** A process under guard, with its output as streams. */
export type GuardedProcess = ReturnType<typeof launch>;

function launch(args: readonly string[], cwd: string, env: Record<string, string | undefined>) {
  return execa('/bin/sh', args, {
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'pipe',
    buffer: false,
    reject: false,
    detached: true,
    cleanup: false,
    cwd,
    env,
  });
}

/**
 * Starts `command` so that it cannot outlive this program. Its process group has the number of the
 * returned process; {@link signalGroup} reaches everything in it.
 */
export function spawnGuarded(
  command: string,
  args: readonly string[],
  { env = {}, cwd = process.cwd() }: GuardedOptions = {},
): GuardedProcess {
  return launch(['-c', GUARD, 'beambridge-guard', command, ...args], cwd, { ...env });
}

/** Sends a signal to every process of the group; false when none is left. */
export function signalGroup(pid: number | undefined, signal: NodeJS.Signals | 0): boolean {
  if (pid === undefined) return false;
  try {
    return process.kill(-pid, signal);
  } catch {
    return false;
  }
}
