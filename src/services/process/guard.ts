// SPDX-License-Identifier: Apache-2.0
// Every child runs under a small shell that outlives us just long enough to end it. Only the kernel
// is sure to act when a program is killed: it closes the pipe that the shell reads, and the shell
// then ends the child's whole process group. Handlers for exit and signals cannot promise that.

import { type Ended, type PipedProcess, startProcess } from './child.ts';

/** How long a process may take to end itself after SIGTERM before SIGKILL. Milliseconds. */
export const KILL_AFTER_MS = 5000;

/** The same when our own program is gone and nobody waits for the result any more. Seconds. */
const ORPHAN_GRACE_S = 2;

/** The variable that tells a child that it may read the descriptor 3 to its end, too. */
const PROGRAM_PIPE = 'BEAMBRIDGE_PROGRAM_PIPE';

// "$@" runs as a child of the shell, in a process group with it. Two subshells wait for the end of
// standard input, which nobody ever writes to: nobody would miss a single one that is killed. A signal
// that arrives interrupts `wait`, hence the loop. What the child leaves behind in the group is ended
// with it: by us when we hear of its end, by the shell when we are gone, and by the last line's
// subshell when we go in between.
const GUARD = `
exec 3<&0 </dev/null
orphaned=
trap : TERM INT HUP
trap 'orphaned=yes' USR1
if [ -n "$${PROGRAM_PIPE}" ]; then "$@" & else "$@" 3<&- & fi
child=$!
watch() {
  trap '' TERM INT HUP USR1
  while read -r _ <&3; do :; done
  kill -USR1 $$
  kill -TERM 0
  sleep ${ORPHAN_GRACE_S}
  kill -KILL 0
}
watch >/dev/null 2>&1 &
watchers=$!
watch >/dev/null 2>&1 &
watchers="$watchers $!"
while :; do
  wait "$child" 2>/dev/null
  code=$?
  kill -0 "$child" 2>/dev/null || break
done
trap '' TERM INT HUP USR1
[ -z "$orphaned" ] || kill -KILL 0
kill -KILL $watchers 2>/dev/null
kill -TERM 0
(exec 3<&-; sleep ${ORPHAN_GRACE_S}; kill -KILL 0) >/dev/null 2>&1 &
exit "$code"
`;

/** How a guarded process is started. */
export interface GuardedOptions {
  /** Added to the environment of this program; `undefined` removes a variable. */
  env?: Readonly<Record<string, string | undefined>>;
  cwd?: string;
  /** The process watches us itself, beside its guard: it reads `BEAMBRIDGE_PROGRAM_PIPE`. @default false */
  watchesUs?: boolean;
}

/** A process under guard, with its input and output as streams. */
export interface GuardedProcess {
  readonly child: PipedProcess;
  /** Resolves when the process is gone and all that it printed was read; never rejects. */
  readonly ended: Promise<Ended>;
}

/**
 * Starts `command` so that it cannot outlive this program. Its process group has the number of the
 * returned process; {@link signalGroup} reaches everything in it.
 *
 * @throws Error of the operating system, when there can be no further process or no such folder
 */
export async function spawnGuarded(
  command: string,
  args: readonly string[],
  { env, cwd = process.cwd(), watchesUs = false }: GuardedOptions = {},
): Promise<GuardedProcess> {
  const guarded = ['-c', GUARD, 'beambridge-guard', command, ...args];
  const started = await startProcess('/bin/sh', guarded, {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
    cwd,
    env: { ...process.env, ...env, [PROGRAM_PIPE]: watchesUs ? '3' : undefined },
  });
  const { child } = started;
  // What it leaves behind would keep its outputs open, and us waiting for them.
  child.once('exit', () => signalGroup(child.pid, 'SIGKILL'));
  return started;
}

interface Handle {
  ref?: () => unknown;
  unref?: () => unknown;
}

/** Lets this program end while the process runs (the guard ends it then), or waits for it again. */
export function keepAlive({ child }: GuardedProcess, keep: boolean): void {
  // The pipes are sockets, which the types of streams do not tell.
  const handles: Handle[] = [child, child.stdin, child.stdout, child.stderr] as Handle[];
  for (const handle of handles) {
    if (keep) handle.ref?.();
    else handle.unref?.();
  }
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
