// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePythonFailure } from '../../../src/external/index.ts';

const BEAM = '/v/site-packages/apache_beam';
const traceback = (frames: [file: string, fn: string][], ...exception: string[]) =>
  [
    'Traceback (most recent call last):',
    ...frames.flatMap(([file, fn]) => [
      `  File "${file}", line 1, in ${fn}`,
      '    code()',
      '    ^^^^',
    ]),
    ...exception,
  ].join('\n');

test('the last exception is the message, and Beam’s own frames are left out', () => {
  const text = traceback(
    [
      [`${BEAM}/pipeline.py`, 'apply'],
      ['/mine/model.py', 'load'],
    ],
    'ValueError: line one',
    "line two [while running 'RunInference/x']",
  );
  const failure = parsePythonFailure(text);
  assert.equal(failure.code, 'PYTHON_EXCEPTION');
  assert.equal(failure.message, 'ValueError: line one\nline two');
  assert.equal(failure.transform, 'RunInference/x');
  assert.match(failure.detail!, /\/mine\/model\.py/);
  assert.doesNotMatch(failure.detail!, /apache_beam/);
});

test('a traceback that Beam raised again is told once', () => {
  const text = [
    traceback([['/mine/model.py', 'predict']], 'ValueError: no'),
    'The above exception was the direct cause of the following exception:',
    traceback(
      [['/x/beambridge_host/inference/inference.py', 'run']],
      'beambridge_host.errors.BridgeError: no',
    ),
    'During handling of the above exception, another exception occurred:',
    traceback([[`${BEAM}/runner.py`, 'go']], "ValueError: no [while running 'T']"),
  ].join('\n\n');
  assert.equal(
    parsePythonFailure(text).detail,
    traceback([['/mine/model.py', 'predict']], 'ValueError: no'),
  );
});

test('a marker line says it in our terms, whatever is around it', () => {
  const marker = {
    code: 'MODEL_NOT_FOUND',
    message: 'no model at x',
    hint: 'look',
    transform: 'T',
  };
  const text = `${traceback([['a.py', 'f']], 'beambridge_host.errors.BridgeError: no model at x')}
BEAMBRIDGE_ERROR ${JSON.stringify(marker)}
 [while running 'T/inner']`;
  const { detail, ...rest } = parsePythonFailure(text);
  assert.deepEqual(rest, marker);
  assert.doesNotMatch(detail!, /BEAMBRIDGE_ERROR/);
});

test('a marker that is no JSON is text like any other', () => {
  assert.equal(parsePythonFailure('BEAMBRIDGE_ERROR {oops', 'JOB_FAILED').code, 'JOB_FAILED');
});

test('a name that Python cannot find, and a fault inside what it found', () => {
  const named: [string, string] = [
    `${BEAM}/transforms/fully_qualified_named_transform.py`,
    '_resolve',
  ];
  const imports: [string, string][] = [
    ['/lib/python3.11/importlib/__init__.py', 'import_module'],
    ['<frozen importlib._bootstrap>', '_gcd_import'],
  ];
  const code = (frames: [string, string][], exception: string) =>
    parsePythonFailure(traceback(frames, exception)).code;
  const missing = "ModuleNotFoundError: No module named 'x'";
  assert.equal(code([named, ...imports], missing), 'UNKNOWN_PYTHON_CALLABLE');
  assert.equal(
    code([named], "AttributeError: module 'a' has no attribute 'b'"),
    'UNKNOWN_PYTHON_CALLABLE',
  );
  assert.equal(code([named, ...imports, ['/mine/x.py', '<module>']], missing), 'PYTHON_EXCEPTION');
  assert.equal(code([['/mine/x.py', 'f']], missing), 'PYTHON_EXCEPTION');
  assert.match(parsePythonFailure(traceback([['/mine/x.py', 'f']], missing)).hint!, /package.*x/);
});

test('text that is no traceback keeps the code that the caller gives', () => {
  assert.deepEqual(parsePythonFailure('it failed\nbecause', 'JOB_FAILED'), {
    code: 'JOB_FAILED',
    message: 'it failed',
    transform: undefined,
    detail: 'it failed\nbecause',
  });
  assert.equal(parsePythonFailure('', 'JOB_FAILED').message, 'no reason was given');
});
