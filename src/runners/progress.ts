// SPDX-License-Identifier: Apache-2.0
// What a person sees of a run under way: one live line on a terminal, now and then a plain line in
// the log otherwise, and nothing at all for a run that is over in a moment.

import { getLogger } from '../base/index.ts';

const log = getLogger('job');

/** How long a run stays silent. Milliseconds. */
const QUIET_MS = 2500;
const REDRAW_MS = 500;
const PLAIN_MS = 30_000;
const ERASE = '\r\x1b[K';

/** What the display needs of standard error. */
export interface ProgressStream {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

/** What there is to say right now. */
export interface ProgressReport {
  /** `expanding`, `RUNNING`, …; undefined while somebody else has the say. */
  phase: string | undefined;
  /** Elements processed so far, if somebody counts them. */
  elements?: number | undefined;
}

let onScreen: Progress | undefined;

/** Shows progress until it is disposed of. */
export class Progress implements Disposable {
  private readonly started = Date.now();
  private readonly timer: NodeJS.Timeout;
  private readonly stream: ProgressStream;
  private readonly report: () => ProgressReport;
  private readonly live: boolean;
  private lastPlain = 0;

  /** @param show - `true` and `false` force the live line on and off. @default whether it is a terminal */
  constructor(
    report: () => ProgressReport,
    show: boolean | undefined,
    stream: ProgressStream = process.stderr,
  ) {
    this.report = report;
    this.stream = stream;
    this.live = (show ?? stream.isTTY === true) && log.enabled('error');
    this.timer = setInterval(() => this.tick(), REDRAW_MS);
    this.timer.unref();
  }

  private tick(): void {
    const elapsed = Date.now() - this.started;
    if (elapsed < QUIET_MS) return;
    // What nobody sees is not worked out.
    if (!this.live && elapsed - this.lastPlain < PLAIN_MS) return;
    const report = this.report();
    if (report.phase === undefined) return;
    const line = progressLine(report, elapsed);
    if (this.live) {
      // One terminal has one live line: the first run that needs it keeps it.
      onScreen ??= this;
      if (onScreen !== this) return;
      // The cursor goes back to the start, so that a line printed meanwhile is not glued to this one.
      this.stream.write(`${ERASE}${line.slice(0, (this.stream.columns || 80) - 1)}\r`);
    } else {
      this.lastPlain = elapsed;
      log.info(line);
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.timer);
    if (onScreen !== this) return;
    this.stream.write(ERASE);
    onScreen = undefined;
  }
}

/** `RUNNING · 1 min 05 s · 12,000 elements`. */
export function progressLine({ phase, elements }: ProgressReport, elapsedMs: number): string {
  const parts = [phase ?? '', duration(elapsedMs)];
  if (elements !== undefined) parts.push(`${grouped(elements)} elements`);
  return parts.join(' · ');
}

/** 12345 as 12,345. Not toLocaleString, whose first call takes 20 ms for loading the rules of all languages. */
function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}

function duration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  const rest = `${String(seconds % 60).padStart(2, '0')} s`;
  if (minutes < 60) return `${minutes} min ${rest}`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}
