// SPDX-License-Identifier: Apache-2.0
// Log records to the runner. They are nice to have: nothing waits for them, and what does not get
// away is dropped.

import { type LogRecord, setLogSink } from '../../base/index.ts';
import { create, createClient, fn } from '../../proto/index.ts';
import { endCall, watchCall } from './calls.ts';

/** Records that may wait for a slow runner. */
const MOST_WAITING = 1000;

const SEVERITIES = {
  trace: fn.LogEntry_Severity_Enum.TRACE,
  debug: fn.LogEntry_Severity_Enum.DEBUG,
  info: fn.LogEntry_Severity_Enum.INFO,
  warn: fn.LogEntry_Severity_Enum.WARN,
  error: fn.LogEntry_Severity_Enum.ERROR,
} as const;

const channels = new Set<LoggingChannel>();
let restoreSink: (() => void) | undefined;

function join(channel: LoggingChannel): void {
  channels.add(channel);
  restoreSink ??= setLogSink((record, before) => {
    before(record);
    for (const each of channels) each.send(record);
  });
}

function leave(channel: LoggingChannel): void {
  channels.delete(channel);
  if (channels.size > 0) return;
  restoreSink?.();
  restoreSink = undefined;
}

/** Sends this program's records of level warn and above to a runner's logging service. */
export class LoggingChannel {
  private readonly client;
  private readonly call;
  private waiting = 0;
  private isOver = false;

  constructor(url: string, metadata: Record<string, string>) {
    this.client = createClient(fn.BeamFnLogging, url, { metadata });
    this.call = watchCall(this.client.logging(), () => {
      this.isOver = true;
    });
    this.call.on('data', () => {});
    join(this);
  }

  send({ level, name, message, error }: LogRecord): void {
    if (this.isOver || this.waiting >= MOST_WAITING) return;
    if (level !== 'warn' && level !== 'error') return;
    const now = Date.now();
    this.waiting += 1;
    this.call.write(
      create(fn.LogEntry_ListSchema, {
        logEntries: [
          {
            severity: SEVERITIES[level],
            timestamp: {
              seconds: BigInt(Math.floor(now / 1000)),
              nanos: (now % 1000) * 1_000_000,
            },
            message,
            trace: error instanceof Error ? (error.stack ?? error.message) : '',
            logLocation: name,
          },
        ],
      }),
      () => {
        this.waiting -= 1;
      },
    );
  }

  async close(): Promise<void> {
    leave(this);
    await endCall(this.call);
    this.client.close();
  }
}
