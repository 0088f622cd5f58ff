// SPDX-License-Identifier: Apache-2.0
// The worker pool of a managed Python host, open for one job. A message stream, whose job id carries
// a token of that job, opens it and keeps it open; whoever shows the token may start workers.

import { type BeamBridgeError, getLogger } from '../base/index.ts';
import { createClient, jobs } from '../proto/index.ts';
import { type Host, onHostExit } from '../services/index.ts';

const log = getLogger('python');
const State = jobs.JobState_Enum;
const Importance = jobs.JobMessage_MessageImportance;

/** Job id of the message stream that opens a host's worker pool for one job, before its token. */
const RUN_PREFIX = 'beambridge:workers:';
/** How long the end of a host may be seen after the end of its streams. Milliseconds. */
const DEATH_MS = 2000;
const TAIL_LINES = 20;

/** Options of {@link openPythonPool}. */
export interface PythonPoolOptions {
  /** Of one job alone, of 32 characters or more. */
  token: string;
  /** What the host is told of workers that it may keep, whose first it then need not start. @default none are kept */
  keep?: Record<string, string> | undefined;
  /** Ends the pool and all its workers, but for those that are kept. */
  signal: AbortSignal;
  /** Called for each worker that ended before its time. */
  onWorkerLost(workerId: string, reason: string): void;
  /** Called for each worker that ended in good order. */
  onWorkerEnded?(workerId: string): void;
}

/** A pool that is open, or about to be. */
export interface PythonPool {
  /** Resolves once workers can be asked for; rejects when the host is gone. */
  readonly opened: Promise<void>;
  /** Resolves with the reason once the host is gone. Never once `signal` fired. */
  readonly ended: Promise<BeamBridgeError>;
  /** Whether the stream is over: `ended` comes soon. */
  readonly isBroken: boolean;
  /** The last that workers said, for errors. */
  tail(): string;
}

/** Opens the worker pool of `host` for one job. */
export function openPythonPool(host: Host, options: PythonPoolOptions): PythonPool {
  const { token, signal, keep } = options;
  const client = createClient(jobs.JobService, host.address, {
    token: host.token,
    sharedBy: host,
  });
  const lines: string[] = [];
  let isBroken = false;
  let ready: () => void = () => {};
  const running = new Promise<void>((resolve) => {
    ready = resolve;
  });
  const watch = async (): Promise<BeamBridgeError> => {
    let last: jobs.JobMessage | undefined;
    try {
      const stream = client.getMessageStream(
        { jobId: RUN_PREFIX + token },
        { signal, metadata: keep },
      );
      for await (const { response } of stream as AsyncIterable<jobs.JobMessagesResponse>) {
        if (response.case === 'messageResponse') {
          last = response.value;
          say(last);
          const { importance, messageId } = last;
          if (messageId && importance === Importance.JOB_MESSAGE_DEBUG) {
            options.onWorkerEnded?.(messageId);
          }
          lines.push(...last.messageText.split('\n'));
          lines.splice(0, lines.length - TAIL_LINES);
        } else if (response.value?.state === State.RUNNING) ready();
        else if (response.value?.state === State.FAILED) {
          options.onWorkerLost(
            last?.messageId ?? '',
            last?.messageText ?? 'a Python worker is gone',
          );
        }
      }
    } catch (error) {
      if (!signal.aborted) log.debug(`the workers' stream broke: ${String(error)}`);
    }
    isBroken = true;
    client.close();
    if (signal.aborted) return new Promise(() => {});
    await endOf(host);
    return host.diedError();
  };
  const ended = watch();
  const opened = Promise.race([
    running,
    ended.then((reason) => {
      throw reason;
    }),
  ]);
  // Whoever opened it hears of it by `ended` too.
  opened.catch(() => {});
  return {
    opened,
    ended,
    get isBroken() {
      return isBroken;
    },
    tail: () => lines.join('\n'),
  };
}

/** Resolves when the host is gone, or does not seem to go. */
function endOf(host: Host): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      forget();
      resolve();
    }, DEATH_MS);
    const forget = onHostExit(host, () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** What a worker logs, as if it came from the host. */
function say({ importance, messageText, messageId }: jobs.JobMessage): void {
  // What names a worker is about its end, of which whoever runs bundles there tells, or makes an error.
  if (messageId) log.debug(messageText);
  else if (importance >= Importance.JOB_MESSAGE_ERROR) log.error(messageText);
  else if (importance === Importance.JOB_MESSAGE_WARNING) log.warn(messageText);
  else if (importance === Importance.JOB_MESSAGE_BASIC) log.info(messageText);
  else log.debug(messageText);
}
