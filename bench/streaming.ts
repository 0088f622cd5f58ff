// SPDX-License-Identifier: Apache-2.0
// A stream on the node runner for ten minutes: an unbounded source, RunInference in Python, sliding
// windows with early and late panes, state and timers. Half-way a Python worker is killed. Memory
// must stay flat, every reading must be scored once, every pane must be right, and no process may be
// left. `npm run bench -- streaming --seconds=600 --rate=200 --end=drain|cancel`

import { option } from './support/option.ts';
import { streamRun } from './support/streaming/run.ts';
import type { Table } from './support/table.ts';

export async function run(): Promise<Table & { samples: number[][] }> {
  const seconds = Number(option('seconds', '600'));
  const rate = Number(option('rate', '200'));
  const end = option('end', 'drain') === 'cancel' ? 'cancel' : 'drain';
  const { ledger, complaints, growth, samples, retries, dropped, stopMs } = await streamRun({
    seconds,
    rate,
    end,
    burst: 5000,
    sampleMs: Math.min(5000, seconds * 20),
  });
  const { EARLY, ON_TIME, LATE } = ledger.panes;
  const rows = [
    ['readings in', count(ledger.given), `${rate}/s for ${seconds} s, and 5,000 at once`],
    ['readings scored', count(ledger.scored), 'each once'],
    ['panes', count(EARLY + ON_TIME + LATE), `early ${EARLY}, on time ${ON_TIME}, late ${LATE}`],
    ['windows settled by a timer', count(ledger.settledWindows), 'each once, with the right sum'],
    ['event-time timers', count(ledger.reminders), 'one for each reading'],
    ['processing-time timers', count(ledger.flushes), 'of ten keys, each second'],
    ['too late', count(ledger.tooLate), `dropped, by the metrics: ${count(dropped)}`],
    ['bundles run again', count(retries), 'one worker killed at work'],
    ['time to stop', `${(stopMs / 1000).toFixed(1)} s`, end],
    ...growth.map(({ what, first, last, peak }) => [
      `memory: ${what}`,
      `${first.toFixed(1)} → ${last.toFixed(1)} MB`,
      `first and last quarter; peak ${peak.toFixed(1)} MB`,
    ]),
    ['complaints', count(complaints.length), complaints.join('; ') || 'none'],
  ];
  if (complaints.length > 0) process.exitCode = 1;
  return {
    title: 'a stream on the node runner, a Python worker killed half-way',
    head: ['what', 'how much', 'and'],
    rows,
    samples,
  };
}

function count(n: number): string {
  return n.toLocaleString('en');
}
