// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LogRecord, setLogLevel, setLogSink } from '../../../src/base/index.ts';
import { readAnnouncement } from '../../../src/services/host/host.ts';
import { logHostLine } from '../../../src/services/host/logs.ts';

function logged(...lines: string[]): LogRecord[] {
  const records: LogRecord[] = [];
  const restore = setLogSink((record) => records.push(record));
  setLogLevel('trace');
  for (const line of lines) logHostLine(line);
  restore();
  setLogLevel('warn');
  return records;
}

test("a record of Python's logging keeps its level, logger, message and traceback", () => {
  const line = { log: 'error', logger: 'my.model', message: 'no', traceback: 'Traceback\nE\n' };
  assert.deepEqual(logged(JSON.stringify(line)), [
    { level: 'error', name: 'python', message: 'my.model: no\nTraceback\nE' },
  ]);
});

test('a line that is no record is logged as it is, at the lowest level that anyone reads', () => {
  const lines = ['hello', '{"log": "shout"}', '[1]', 'null', '{'];
  assert.deepEqual(
    logged(...lines),
    lines.map((message) => ({ level: 'debug', name: 'python', message })),
  );
});

test('only a ready line is an announcement', () => {
  const ready = { ready: true, address: '127.0.0.1:1', pid: 2, version: '', beam: '', python: '' };
  assert.deepEqual(readAnnouncement(JSON.stringify(ready)), ready);
  assert.equal(readAnnouncement('{"log": "info"}'), undefined);
  assert.equal(readAnnouncement('ready'), undefined);
});
