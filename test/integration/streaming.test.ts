// SPDX-License-Identifier: Apache-2.0
// The streaming run of bench/streaming.ts for some seconds: a source without an end, RunInference in
// Python, sliding windows with early and late panes, state and timers, and a Python worker killed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { streamRun } from '../../bench/support/streaming/run.ts';

test('a stream whose Python worker is killed loses no element and scores none twice', async () => {
  const options = { seconds: 14, rate: 50, burst: 500, sampleMs: 5000 };
  const { complaints, ledger, retries, dropped } = await streamRun({ ...options, end: 'drain' });
  assert.deepEqual(complaints, []);
  assert.equal(ledger.scored, ledger.given);
  assert.ok(ledger.given >= 1000);
  assert.ok(retries >= 1);
  const { EARLY, ON_TIME, LATE } = ledger.panes;
  assert.ok(EARLY > 0 && ON_TIME > 0 && LATE > 0, JSON.stringify(ledger.panes));
  // Two groupings, and two windows for each.
  assert.equal(dropped, 4 * ledger.tooLate);
});

test('a stream that is cancelled ends at once and leaves no process', async () => {
  const options = { seconds: 4, rate: 50, burst: 0, sampleMs: 5000 };
  const { complaints, stopMs } = await streamRun({ ...options, end: 'cancel' });
  assert.deepEqual(complaints, []);
  assert.ok(stopMs < 10_000);
});
