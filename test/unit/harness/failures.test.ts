// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BeamBridgeError } from '../../../src/base/index.ts';
import { Failures, failureOf } from '../../../src/harness/index.ts';

test('an error of another process comes back from its text, wrapped as runners wrap it', () => {
  const error = new BeamBridgeError('USER_CODE_FAILED', 'TypeError: not a digit', {
    transform: 'a/map(f)',
    appliedAt: 'prog.ts:1:2',
    hint: 'Give digits.',
    detail: 'at f (prog.ts:3:4)\nat g (prog.ts:5:6)',
  });
  const { text } = new Failures().add(error);
  const found = failureOf(`bundle inst3 failed:${text}\n\tat org.apache.beam.X(X.java:3)`)!;
  assert.deepEqual({ ...found }, { ...error });
  assert.equal(found.detail, error.detail);
  assert.equal(found.message, error.message);
});

test('an error of several lines, without a transform, comes back too', () => {
  const { text } = new Failures().add(new BeamBridgeError('WORKER_MISMATCH', 'one\ntwo'));
  const { code, shortMessage, transform } = failureOf(text)!;
  assert.deepEqual([code, shortMessage, transform], ['WORKER_MISMATCH', 'one\ntwo', undefined]);
});

test('text that is of no worker of ours is no error of ours', () => {
  assert.equal(failureOf('BeamBridgeError: it [USER_CODE_FAILED]'), undefined);
  assert.equal(failureOf('BeamBridgeError: it [NO_CODE]\n[beambridge failure 1]'), undefined);
});
