// SPDX-License-Identifier: Apache-2.0
// A logger of the smallest useful size: levels, a name per room, one line per message on stderr.
// Standard output belongs to the user's program, so nothing here ever writes to it.

import { BeamBridgeError } from './errors.ts';
import { asOneRecord } from './printable.ts';

/** From most to least talkative. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** One message on its way to the sink. */
export interface LogRecord {
  level: Exclude<LogLevel, 'silent'>;
  /** The part of the program that speaks: `host`, `python`, `harness`, … */
  name: string;
  message: string;
  error?: unknown;
}

export interface Logger {
  trace(message: string): void;
  debug(message: string): void;
  info(message: string): void;
  warn(message: string, error?: unknown): void;
  error(message: string, error?: unknown): void;
  enabled(level: LogLevel): boolean;
}

type Sink = (record: LogRecord) => void;

const ranks = new Map<LogLevel, number>(LOG_LEVELS.map((level, rank) => [level, rank]));
let threshold = rankOf('warn');

/** One that was set over those before it. */
interface Layer {
  readonly next: (record: LogRecord, before: Sink) => void;
}
const layers: Layer[] = [];

/** Passes a record to the latest sink, which may pass it on to the one before. */
function send(record: LogRecord, from = layers.length - 1): void {
  const layer = layers[from];
  if (layer) layer.next(record, (passed) => send(passed, from - 1));
  else writeLine(record);
}

function rankOf(level: LogLevel): number {
  return ranks.get(level)!;
}

const isLevel = (level: unknown): level is LogLevel => ranks.has(level as LogLevel);

function writeLine({ level, name, message, error }: LogRecord): void {
  const tail =
    error === undefined
      ? ''
      : `: ${error instanceof Error ? (error.stack ?? error.message) : error}`;
  process.stderr.write(`[${level}] ${asOneRecord(`${name}: ${message}${tail}`)}\n`);
}

/**
 * Sets how much is logged.
 *
 * @param level - @default `'warn'`, or the value of the environment variable `BEAMBRIDGE_LOG`
 * @throws BeamBridgeError `INVALID_ARGUMENT` for one that is none
 */
export function setLogLevel(level: LogLevel): void {
  if (!isLevel(level)) {
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `setLogLevel: there is no level ${JSON.stringify(level)}`,
      { hint: `The levels are ${LOG_LEVELS.join(', ')}.` },
    );
  }
  threshold = rankOf(level);
}

/**
 * Sends log records elsewhere than stderr; returns a function that restores the sink before.
 *
 * @param next - gets each record, and the sink before, to which it may pass the record on
 */
export function setLogSink(next: (record: LogRecord, before: Sink) => void): () => void {
  const layer: Layer = { next };
  layers.push(layer);
  return () => {
    // Whoever was set later stays, and a second call does nothing.
    const at = layers.indexOf(layer);
    if (at >= 0) layers.splice(at, 1);
  };
}

/** A logger whose records carry `name`. */
export function getLogger(name: string): Logger {
  const enabled = (level: LogLevel) => rankOf(level) >= threshold;
  const log = (level: LogRecord['level'], message: string, error?: unknown) => {
    if (enabled(level)) send({ level, name, message, ...(error === undefined ? {} : { error }) });
  };
  return {
    trace: (message) => log('trace', message),
    debug: (message) => log('debug', message),
    info: (message) => log('info', message),
    warn: (message, error) => log('warn', message, error),
    error: (message, error) => log('error', message, error),
    enabled,
  };
}

/** A program that somebody wants to hear more of runs all the same. */
function readEnvironment(level: string | undefined): void {
  if (isLevel(level)) threshold = rankOf(level);
  else if (level) {
    const levels = LOG_LEVELS.join(', ');
    getLogger('log').warn(`BEAMBRIDGE_LOG=${level} is no level: they are ${levels}. This is warn.`);
  }
}

readEnvironment(process.env.BEAMBRIDGE_LOG);
