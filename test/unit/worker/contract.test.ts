// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateRawSync } from 'node:zlib';
import {
  optionsFromText,
  optionsToText,
  PROTOCOL,
  programOf,
  programToText,
  type WorkerProgram,
} from '../../../src/worker/contract.ts';

const program: WorkerProgram = {
  protocol: PROTOCOL,
  version: '1.2.3',
  exportName: 'score',
  moduleUrl: 'file:///app/score.ts',
  bundle: { name: 'score.mjs', sha256: 'ab', bytes: 3 },
  argv: ['--input', 'ü'],
  cwd: '/app',
  digest: [{ name: 'map(f)', shape: 'a', coders: 'b', windowing: 'c', contents: '' }],
  options: optionsToText({}),
};

test('options come back as they were: numbers, nulls, dates, big integers, nested ones', () => {
  const options = {
    whole: 2,
    fraction: 0.1,
    zero: -0,
    big: 2n ** 70n,
    nothing: null,
    when: new Date(5),
    list: [1, null, { a: undefined }],
    text: '',
    no: false,
  };
  const signal = new AbortController().signal;
  assert.deepEqual(
    optionsFromText(optionsToText({ ...options, signal, left: undefined })),
    options,
  );
});

test('tokens of pools stay where workers are asked for', () => {
  const environmentConfig = { url: 'pool:1', params: { token: 'secret' } };
  const text = optionsToText({ a: 1, environmentConfig, pythonEnvironmentConfig: 'pool:2' });
  assert.deepEqual(optionsFromText(text), { a: 1 });
});

test('an option that has no copy elsewhere is refused by name', () => {
  for (const value of [() => {}, new URL('file:///a'), Symbol('a')]) {
    assert.throws(
      () => optionsToText({ mine: value }),
      (error: Error & { code: string }) =>
        error.code === 'INVALID_ARGUMENT' && error.message.includes('pipeline option mine'),
    );
  }
});

test('a program is found under the names that runners give to options', () => {
  const text = programToText(program);
  for (const name of [
    'beam:option:beambridge_program:v1',
    'beambridge_program',
    'beambridgeProgram',
  ]) {
    assert.deepEqual(programOf({ other: 1, [name]: text }), program);
    // As Dataflow hands them on.
    assert.deepEqual(programOf({ options: { [name]: text }, display_data: [] }), program);
  }
});

test('options without a program, or with what is none, are no start', () => {
  assert.throws(() => programOf({}), { code: 'WORKER_START_FAILED' });
  assert.throws(() => programOf({ beambridge_program: 'AAAA' }), { code: 'WORKER_START_FAILED' });
});

test('a program for other workers is refused', () => {
  const later = deflateRawSync(JSON.stringify({ protocol: PROTOCOL + 1 })).toString('base64');
  assert.throws(() => programOf({ beambridge_program: later }), { code: 'WORKER_MISMATCH' });
});
