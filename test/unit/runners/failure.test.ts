// SPDX-License-Identifier: Apache-2.0
// Which error a failed job rejects with.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BeamBridgeError, errorNonce } from '../../../src/base/index.ts';
import { Failures } from '../../../src/harness/index.ts';
import { Pipeline, Root } from '../../../src/pipeline/index.ts';
import { create, pb } from '../../../src/proto/index.ts';
import { jobFailure, located } from '../../../src/runners/failure.ts';
import { impulse } from '../../../src/transforms/index.ts';

const pipeline = new Pipeline();
new Root(pipeline).apply(impulse()).map(function parse(x) {
  return x;
});
const parse = pipeline.transforms.find((node) => node.name.includes('parse'))!;
const proto = create(pb.PipelineSchema, {
  components: {
    transforms: {
      [parse.id]: { uniqueName: parse.name, subtransforms: ['ext1'] },
      ext1: { uniqueName: 'deep/inside', subtransforms: [] },
    },
  },
});
const failure = (messages: string[], failures = new Failures()) =>
  jobFailure({ messages, failures, pipeline, proto });

const TRACEBACK = `Traceback (most recent call last):
  File "/lib/beam/runner.py", line 10, in run
    go()
RuntimeError: Traceback (most recent call last):
  File "/lib/beam/worker.py", line 20, in process
    fn(x)
    ~~^^^
ValueError: no such digit
second line [while running 'deep/inside']
`;

test('a function that threw is the cause when the runner repeats its text', () => {
  const failures = new Failures();
  const own = new BeamBridgeError('USER_CODE_FAILED', 'TypeError: x is undefined', {
    cause: new TypeError('x is undefined'),
    transform: 'map(parse)',
  });
  const { text } = failures.add(own);
  failures.add(new BeamBridgeError('USER_CODE_FAILED', 'something else'));
  assert.equal(failure([`RuntimeError: ${text}`, 'a later line of the log'], failures), own);
});

test('without a word from the runner the last function that threw is the cause', () => {
  const failures = new Failures();
  const own = new BeamBridgeError('USER_CODE_FAILED', 'boom');
  failures.add(own);
  assert.equal(failure([], failures), own);
});

test('a Python exception gives its last lines, its traceback, and our transform', () => {
  const error = failure([TRACEBACK, 'a later line of the log']);
  assert.equal(error.code, 'PYTHON_EXCEPTION');
  assert.equal(error.shortMessage, 'ValueError: no such digit\nsecond line');
  assert.equal(error.transform, parse.name);
  assert.match(error.appliedAt!, /failure\.test\.ts:\d+:\d+$/);
  assert.match(error.detail!, /worker\.py/);
});

test('a Python exception wins over a function that threw something else', () => {
  const failures = new Failures();
  failures.add(new BeamBridgeError('USER_CODE_FAILED', 'the bundle was aborted'));
  assert.equal(failure([TRACEBACK], failures).code, 'PYTHON_EXCEPTION');
});

test('an error that our Python half marked comes back as it was', () => {
  const marker = JSON.stringify({
    code: 'MODEL_NOT_FOUND',
    message: 'there is no model at digits.pkl',
    hint: 'Check model_uri.',
  });
  const error = failure([
    `Traceback (most recent call last):\n  File "/lib/x.py", line 1, in f\n    f()\nBridgeError: there is no model at digits.pkl\nBEAMBRIDGE_ERROR ${errorNonce('secret')} ${marker}\n [while running 'deep/inside']\n`,
    'later',
  ]);
  assert.equal(error.code, 'MODEL_NOT_FOUND');
  assert.equal(error.hint, 'Check model_uri.');
  assert.equal(error.transform, parse.name);
});

test('a part that the runner named itself is traced to the transform it belongs to', () => {
  const error = failure([TRACEBACK.replace('deep/inside', `${parse.name}/fused/part`)]);
  assert.equal(error.transform, parse.name);
});

test('the root cause of a Java stack trace is the message', () => {
  const error = failure([
    'java.lang.RuntimeException: outer\n\tat org.apache.Foo.bar(Foo.java:1)\nCaused by: java.io.IOException: disk full\n\tat org.apache.Foo.baz(Foo.java:2)\n\t... 7 more',
  ]);
  assert.equal(error.code, 'JOB_FAILED');
  assert.equal(error.shortMessage, 'java.io.IOException: disk full');
});

test('a job that failed without a word says so', () => {
  assert.equal(failure([]).code, 'JOB_FAILED');
});

test('a runner that cannot run Python inside itself is told apart, with what to do', () => {
  const error = failure(['environment e with urn beam:env:embedded_python:v1 unimplemented']);
  assert.equal(error.code, 'UNSUPPORTED');
  assert.match(error.hint ?? '', /expansionService/);
});

const RUNNER_FRAME = '\tat org.apache.beam.runners.flink.Translator.translate(Translator.java:1)';
for (const text of [
  `java.lang.IllegalArgumentException: Unknown or unsupported WindowFn: beambridge:windowfn:v1\n${RUNNER_FRAME}`,
  'java.lang.RuntimeException: outer\n\tat a.B.c(B.java:1)\nCaused by: java.lang.IllegalStateException: PCollectionNodes [PCollectionNode{id=pc3}] were consumed but never produced',
  `java.lang.UnsupportedOperationException: no test streams here\n${RUNNER_FRAME}`,
  "java.lang.UnsupportedOperationException: Portable Flink runner doesn't support bundle finalization in batch mode.",
  'java.lang.UnsupportedOperationException: The ActiveBundle does not have a registered bundle checkpoint handler.',
  'java.lang.UnsupportedOperationException: Advancing Processing time is not supported by the Flink Runner.',
  'unimplemented runner transform[beam:transform:to_string:v1]',
]) {
  test(`an engine that lacks something says so: ${text.slice(0, 60)}`, () => {
    const error = failure([text]);
    assert.equal(error.code, 'UNSUPPORTED');
    assert.doesNotMatch(error.shortMessage, /\n|outer/);
    assert.match(error.hint!, /node/);
  });
}

test("a primitive that Python's runner does not know is UNSUPPORTED, and no exception of the program's", () => {
  const said = 'NotImplementedError: beam:transform:teststream:v1';
  const error = failure([`${TRACEBACK}\n${said}`]);
  assert.equal(error.code, 'UNSUPPORTED');
  assert.match(error.message, /runner has no beam:transform:teststream:v1/);
  assert.match(error.detail ?? '', /Traceback/);
  const other = failure([
    `${TRACEBACK}\nNotImplementedError: beam:transform:teststream:v1 is mine`,
  ]);
  assert.equal(other.code, 'PYTHON_EXCEPTION');
});

test("an operation that a user's own Java code does not support is a failure", () => {
  const error = failure([
    'java.lang.UnsupportedOperationException: immutable\n\tat java.base/java.util.ImmutableCollections.uoe(ImmutableCollections.java:142)\n\tat com.example.MyFn.process(MyFn.java:7)',
  ]);
  assert.equal(error.code, 'JOB_FAILED');
});

test('an error that names a transform alone has the line of the one that the program applied', () => {
  const { appliedAt } = parse;
  assert.match(appliedAt ?? '', /failure\.test\.ts/);
  for (const transform of [parse.name, `${parse.name}/made by a runner`, 'deep/inside']) {
    const error = new BeamBridgeError('UNSUPPORTED', 'not here', { transform, hint: 'Elsewhere.' });
    const told = located(error, pipeline, proto);
    assert.equal(told.appliedAt, appliedAt);
    assert.equal(told.transform, transform);
    assert.match(told.message, /not here.*applied at.*Elsewhere/s);
    assert.equal(
      located(error, pipeline, undefined).appliedAt,
      transform.startsWith('deep') ? undefined : appliedAt,
    );
  }
  for (const details of [
    {},
    { transform: 'nobody' },
    { transform: parse.name, appliedAt: 'here' },
  ]) {
    const error = new BeamBridgeError('UNSUPPORTED', 'not here', details);
    assert.equal(located(error, pipeline, proto), error);
  }
});

test('what an engine says is told without passwords', () => {
  const address = 'jdbc:sqlserver://h:1;user=u;password=';
  for (const text of [
    `cannot connect to ${address}hunter2`,
    `Traceback (most recent call last):\n  File "/a.py", line 1, in f\n    x()\nValueError: ${address}hunter2`,
    `java.lang.RuntimeException: outer\n\tat a.B.c(B.java:1)\nCaused by: java.sql.SQLException: ${address}hunter2`,
    `unimplemented runner transform[${address}hunter2]\n${address}hunter2`,
  ]) {
    const { message } = failure([text]);
    assert.ok(message.includes(`${address}[credential]`), message);
    assert.ok(!message.includes('hunter2'), message);
  }
});
