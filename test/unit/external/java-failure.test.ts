// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isJavaFailure, javaError, saidByJavaHarness } from '../../../src/external/index.ts';

const trace = (...lines: string[]) => lines.join('\n');

describe('a failure inside Java', () => {
  test('is told by its root cause, with the first frames of each exception as detail', () => {
    const error = javaError(
      trace(
        'java.lang.RuntimeException: outer',
        '\tat org.example.A.a(A.java:1)',
        '\tat org.example.A.b(A.java:2)',
        '\tat org.example.A.c(A.java:3)',
        '\tat org.example.A.d(A.java:4)',
        '\tat org.example.A.e(A.java:5)',
        'Caused by: org.postgresql.util.PSQLException: FATAL: no such user',
        '  Position: 3',
        '\tat org.example.B.a(B.java:1)',
        '\t... 12 more',
      ),
    );
    assert.equal(error.code, 'JAVA_EXCEPTION');
    assert.equal(error.shortMessage, 'PSQLException: FATAL: no such user\n  Position: 3');
    assert.match(error.detail!, /A\.d\(A\.java:4\)\nCaused by/);
  });

  test('shows no password of an address that a driver quotes', () => {
    const said = 'No suitable driver found for jdbc:postgresql://db/shop?user=u&password=';
    const error = javaError(
      trace(`java.sql.SQLException: ${said}hunter2secret`, '\tat a.B.c(B.java:1)'),
    );
    assert.equal(error.shortMessage, `SQLException: ${said}[credential]`);
    assert.equal(error.detail, `java.sql.SQLException: ${said}[credential]\n\tat a.B.c(B.java:1)`);
  });

  test('without a message has its name', () => {
    assert.equal(
      javaError(trace('java.lang.NullPointerException', '\tat a.B.c(B.java:1)')).shortMessage,
      'NullPointerException',
    );
  });

  for (const [said, code, message] of [
    [
      'java.lang.UnsupportedOperationException: The provided allow list does not enable expanding a transform class by the name org.example.T.',
      'UNKNOWN_JAVA_TRANSFORM',
      /may not make transforms of the class org\.example\.T$/,
    ],
    [
      'java.lang.IllegalArgumentException: Could not find class org.example.T',
      'UNKNOWN_JAVA_TRANSFORM',
      /no Java class org\.example\.T/,
    ],
    [
      'java.lang.UnsupportedOperationException: Unknown urn: beam:x:v1',
      'UNKNOWN_JAVA_TRANSFORM',
      /knows no transform beam:x:v1/,
    ],
    [
      'java.lang.RuntimeException: Could not find a matching constructor method. When using…',
      'UNKNOWN_JAVA_TRANSFORM',
      /no constructor method of the Java class/,
    ],
    [
      'java.lang.RuntimeException: Builder method name to has to be explicitly allowed',
      'UNKNOWN_JAVA_TRANSFORM',
      /may not call the method to/,
    ],
    [
      'java.lang.IllegalArgumentException: argument type mismatch',
      'JAVA_EXCEPTION',
      /not of the type/,
    ],
  ] as const) {
    test(`${said.slice(0, 70)}… is ${code}`, () => {
      const error = javaError(trace(said, '\tat a.B.c(B.java:1)'));
      assert.equal(error.code, code);
      assert.match(error.shortMessage, message);
    });
  }

  test('is told from texts of others', () => {
    assert.ok(isJavaFailure(trace('java.lang.Error: x', '\tat a.B.c(B.java:1)')));
    assert.ok(!isJavaFailure('java.lang.Error: x'));
    assert.ok(!isJavaFailure('Traceback (most recent call last):\n  File "x.py", line 1'));
  });

  test('is found in what a runner of Java makes of it', () => {
    const said = trace(
      'java.lang.RuntimeException: Error received from SDK harness for instruction 4: java.lang.IllegalStateException: x',
      '\tat a.B.c(B.java:1)',
    );
    assert.match(saidByJavaHarness(said)!, /^java\.lang\.IllegalStateException: x/);
    assert.equal(
      saidByJavaHarness(
        'Error received from SDK harness for instruction 4: Traceback (most recent call last):',
      ),
      undefined,
    );
  });
});
