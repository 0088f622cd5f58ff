// SPDX-License-Identifier: Apache-2.0
// Python's log records, which the host writes as JSON lines, on their way into our own log.

import { getLogger, type LogRecord } from '../../base/index.ts';

const log = getLogger('python');

type Level = LogRecord['level'];
const LEVELS: ReadonlySet<string> = new Set<Level>(['trace', 'debug', 'info', 'warn', 'error']);

/** Hands one line of the host's standard output to the log. */
export function logHostLine(line: string): void {
  const record = parse(line);
  if (!record) {
    log.debug(line);
    return;
  }
  const text = `${record.logger}: ${record.message}${record.traceback ? `\n${record.traceback.trimEnd()}` : ''}`;
  log[record.log](text);
}

interface HostRecord {
  log: Level;
  logger: string;
  message: string;
  traceback?: string;
}

function parse(line: string): HostRecord | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== 'object' || value === null || !('log' in value)) return undefined;
    const { log: level } = value;
    return typeof level === 'string' && LEVELS.has(level) ? (value as HostRecord) : undefined;
  } catch {
    return undefined;
  }
}
