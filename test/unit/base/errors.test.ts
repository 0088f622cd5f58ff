// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { BeamBridgeError } from '../../../src/base/index.ts';

const root = new URL('../../../', import.meta.url);

test('every error code is documented, and no other', () => {
  const source = readFileSync(new URL('src/base/errors.ts', root), 'utf8');
  const codes = [...source.matchAll(/\| '([A-Z0-9_]+)'/g)].map((m) => m[1]!);
  const documented = readFileSync(new URL('docs/errors.md', root), 'utf8').matchAll(
    /^(?:\| )?`([A-Z0-9_]+)` (?:\||is)/gm,
  );
  assert.deepEqual([...documented].map((m) => m[1]!).sort(), codes.sort());
});

test('the message holds the code, the transform, where it was applied, the hint and the detail', () => {
  const error = new BeamBridgeError('MODEL_NOT_FOUND', 'no model', {
    transform: 'score',
    appliedAt: 'a.ts:1:2',
    hint: 'Make one.',
    detail: 'line 1\nline 2\n',
  });
  assert.equal(
    error.message,
    [
      'no model [MODEL_NOT_FOUND]',
      '  in transform: score (applied at a.ts:1:2)',
      '  hint: Make one.',
      '  | line 1',
      '  | line 2',
    ].join('\n'),
  );
  assert.equal(error.shortMessage, 'no model');
});

test('with() fills in what is missing and keeps what is there, the stack too', () => {
  const cause = new TypeError('deep');
  const first = new BeamBridgeError('JOB_FAILED', 'it failed', { hint: 'first', cause });
  const second = first.with({ hint: 'second', transform: 't' });
  assert.equal(second.hint, 'first');
  assert.equal(second.transform, 't');
  assert.equal(second.cause, cause);
  assert.match(second.stack!, /errors\.test\.ts/);
});

test('from() keeps a BeamBridgeError and wraps anything else', () => {
  const error = new BeamBridgeError('TIMEOUT', 'late');
  assert.equal(BeamBridgeError.from(error), error);
  assert.equal(BeamBridgeError.from(new Error('x'), 'IO_FAILED').code, 'IO_FAILED');
  assert.equal(BeamBridgeError.from('just text').shortMessage, 'just text');
});
