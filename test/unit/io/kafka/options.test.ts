// SPDX-License-Identifier: Apache-2.0
// Wrong options of Kafka, what its failures are called, and that no message tells a secret.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BeamBridgeError } from '../../../../src/base/index.ts';
import { kafkaJson, readFromKafka, writeToKafka } from '../../../../src/io/index.ts';
import { checkConnection } from '../../../../src/io/kafka/connection.ts';
import { codeOf, Patience } from '../../../../src/io/kafka/failures.ts';
import { checkNode } from '../../../../src/io/kafka/package.ts';
import { Pipeline, Root } from '../../../../src/pipeline/index.ts';
import { bytes, int64, string } from '../../../../src/schema/index.ts';

const at = { bootstrapServers: 'localhost:9092' };
const of = { ...at, topics: 'a' };
const to = { ...at, topic: 'a' };
const any = (options: object) => options as never;

const cases: Record<string, [code: string, call: () => unknown, message?: RegExp]> = {
  'no options': ['INVALID_ARGUMENT', () => readFromKafka(undefined as never)],
  'a misspelt option': [
    'INVALID_ARGUMENT',
    () => readFromKafka(any({ ...of, groupID: 'g' })),
    /Did you mean groupId/,
  ],
  'no servers': ['INVALID_ARGUMENT', () => readFromKafka({ ...of, bootstrapServers: [] })],
  'a server with a protocol': [
    'INVALID_ARGUMENT',
    () => readFromKafka({ ...of, bootstrapServers: 'kafka://u:geheim@host:9092' }),
  ],
  'a port that is none': [
    'INVALID_ARGUMENT',
    () => readFromKafka({ ...of, bootstrapServers: 'host:99999' }),
  ],
  'no topics': ['INVALID_ARGUMENT', () => readFromKafka(at)],
  'an empty list of topics': ['INVALID_ARGUMENT', () => readFromKafka({ ...at, topics: [] })],
  'topics and a pattern': ['INVALID_ARGUMENT', () => readFromKafka({ ...of, topicPattern: /a/ })],
  'a pattern that is text': [
    'INVALID_ARGUMENT',
    () => readFromKafka(any({ ...at, topicPattern: 'a*' })),
  ],
  'a start that is none': ['INVALID_ARGUMENT', () => readFromKafka(any({ ...of, start: 'begin' }))],
  'a date that is none': [
    'INVALID_ARGUMENT',
    () => readFromKafka({ ...of, start: new Date(Number.NaN) }),
  ],
  'half an offset': ['INVALID_ARGUMENT', () => readFromKafka({ ...of, start: { a: { 0: 0.5 } } })],
  'offsets of another topic': [
    'INVALID_ARGUMENT',
    () => readFromKafka({ ...of, start: { b: { 0: 1 } } }),
    /offsets of b, which is not read/,
  ],
  'a stop that is a start': [
    'INVALID_ARGUMENT',
    () => readFromKafka(any({ ...of, stop: 'earliest' })),
  ],
  'bounded without a stop': ['INVALID_ARGUMENT', () => readFromKafka({ ...of, bounded: true })],
  'committed without a group': [
    'INVALID_ARGUMENT',
    () => readFromKafka({ ...of, start: 'committed' }),
    /give groupId/,
  ],
  'committing without a group': [
    'INVALID_ARGUMENT',
    () => readFromKafka({ ...of, commitOffsets: true }),
    /give groupId/,
  ],
  'two sources that commit for a group': [
    'INVALID_ARGUMENT',
    () => {
      const root = new Root(new Pipeline());
      const group = { ...at, groupId: 'g', commitOffsets: true };
      root.apply(readFromKafka({ ...group, topics: ['b', 'c'] }));
      root.apply(readFromKafka({ ...group, topics: ['b', 'a'], commitOffsets: false }));
      root.apply(readFromKafka({ ...group, topics: 'b', groupId: 'h' }));
      root.apply(readFromKafka({ ...group, topicPattern: /^a/ }));
      root.apply(readFromKafka({ ...group, topicPattern: /^[bc]/ }).withDeadLetters());
    },
    /two sources commit how far g is in b/,
  ],
  'a negative delay': ['INVALID_ARGUMENT', () => readFromKafka({ ...of, maxDelay: -1 })],
  'no time between looks': ['INVALID_ARGUMENT', () => readFromKafka({ ...of, discoverEvery: 0 })],
  'an isolation that is none': [
    'INVALID_ARGUMENT',
    () => readFromKafka(any({ ...of, isolation: 'serializable' })),
  ],
  'a type that says not how': [
    'INVALID_ARGUMENT',
    () => readFromKafka({ ...of, valueSchema: int64 }),
    /not how it is written/,
  ],
  'a schema that is none': [
    'INVALID_ARGUMENT',
    () => readFromKafka(any({ ...of, keySchema: 'json' })),
  ],
  'JSON of no type': ['INVALID_ARGUMENT', () => kafkaJson('string' as never)],
  'a time that is no function': [
    'INVALID_ARGUMENT',
    () => readFromKafka(any({ ...of, timestamp: 'createTime' })),
  ],
  'an unknown mechanism': [
    'INVALID_ARGUMENT',
    () => readFromKafka(any({ ...of, sasl: { mechanism: 'plain' } })),
  ],
  'a password that is not set': [
    'CREDENTIALS_MISSING',
    () => readFromKafka(any({ ...of, sasl: { mechanism: 'PLAIN', username: 'u' } })),
  ],
  'tls that is text': ['INVALID_ARGUMENT', () => readFromKafka(any({ ...of, tls: 'yes' }))],
  'no topic': ['INVALID_ARGUMENT', () => writeToKafka(any(at))],
  'a value that is no function': [
    'INVALID_ARGUMENT',
    () => writeToKafka(any({ ...to, value: 'v' })),
  ],
  'an unknown compression': [
    'INVALID_ARGUMENT',
    () => writeToKafka(any({ ...to, compression: 'best' })),
  ],
  'a misspelt option of writing': [
    'INVALID_ARGUMENT',
    () => writeToKafka(any({ ...to, topics: 'a' })),
    /Did you mean topic/,
  ],
};

for (const [name, [code, call, message = /./]] of Object.entries(cases)) {
  test(`${name} is ${code}`, () => {
    assert.throws(call, (error: unknown) => {
      assert.ok(error instanceof BeamBridgeError, String(error));
      assert.equal(error.code, code, error.message);
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /geheim/);
      return true;
    });
  });
}

test('options that are as described are taken', () => {
  readFromKafka({ ...of, stop: 'latest', bounded: false, keySchema: bytes, valueSchema: string });
  readFromKafka({ bootstrapServers: ['a:1', '[::1]:2'], topicPattern: /^x/, idleAfter: Infinity });
  const { options, servers } = checkConnection('test', {
    bootstrapServers: 'a, b:7',
    tls: true,
    sasl: { mechanism: 'OAUTHBEARER', token: async () => 'x' },
  });
  assert.deepEqual(options.bootstrapBrokers, [
    { host: 'a', port: 9092 },
    { host: 'b', port: 7 },
  ]);
  assert.equal(servers, 'a:9092, b:7');
});

/** An error as the package's. */
function clientError(message: string, rest: object): Error {
  return Object.assign(new Error(message), rest);
}

test('failures of the client have codes of this package', () => {
  const network = clientError('closed', { code: 'PLT_KFK_NETWORK', canRetry: true });
  const protocol = (apiCode: number, canRetry: boolean) =>
    Object.assign(
      new AggregateError([clientError('x', { code: 'PLT_KFK_PROTOCOL', apiCode, canRetry })], 'y'),
      { code: 'PLT_KFK_RESPONSE' },
    );
  const refused = clientError('SASL authentication failed.', { code: 'PLT_KFK_AUTHENTICATION' });
  const codes: [unknown, string][] = [
    [network, 'ENDPOINT_UNAVAILABLE'],
    [clientError('x', { code: 'ECONNREFUSED' }), 'ENDPOINT_UNAVAILABLE'],
    [
      clientError('no connection', { code: 'PLT_KFK_NETWORK', cause: refused }),
      'CREDENTIALS_REFUSED',
    ],
    [new AggregateError([refused], 'Cannot connect to any broker.'), 'CREDENTIALS_REFUSED'],
    [protocol(3, true), 'TOPIC_NOT_FOUND'],
    [clientError('Unknown topic a.', { code: 'PLT_KFK_USER' }), 'TOPIC_NOT_FOUND'],
    [protocol(29, false), 'CREDENTIALS_REFUSED'],
    [protocol(10, false), 'ENDPOINT_REFUSED'],
    [protocol(19, true), 'ENDPOINT_UNAVAILABLE'],
    [protocol(42, false), 'ENDPOINT_REFUSED'],
    [protocol(47, false), 'IO_FAILED'],
    [clientError('zstd', { code: 'PLT_KFK_UNSUPPORTED_COMPRESSION' }), 'UNSUPPORTED'],
    [new TypeError('x is undefined'), 'INTERNAL'],
  ];
  for (const [error, code] of codes) assert.equal(codeOf(error), code, String(error));
});

test('no message tells a password, whoever repeats it', () => {
  const cluster = checkConnection('test', {
    ...at,
    sasl: { mechanism: 'PLAIN', username: 'u', password: 'geheim' },
  });
  const error = clientError('user u with geheim is unknown', { code: 'PLT_KFK_AUTHENTICATION' });
  assert.throws(
    () => new Patience().failed('it failed', error, cluster),
    ({ message, code }: BeamBridgeError) => {
      assert.equal(code, 'CREDENTIALS_REFUSED');
      assert.match(message, /user u with \[credential\] is unknown/);
      return true;
    },
  );
});

test('patience has an end, and begins anew with each success', () => {
  const cluster = checkConnection('test', at);
  const away = clientError('away', { code: 'PLT_KFK_NETWORK' });
  const patience = new Patience(0);
  assert.throws(() => patience.failed('it failed', away, cluster), {
    code: 'ENDPOINT_UNAVAILABLE',
    shortMessage: 'it failed: away (tried for 0 s)',
  });
  const more = new Patience(10_000);
  const pauses = [1, 2, 3].map(() => more.failed('it failed', away, cluster));
  assert.ok(pauses[2]! > pauses[0]!);
  more.succeeded();
  assert.equal(more.failed('it failed', away, cluster), pauses[0]);
});

test('an older Node.js than the package takes is refused', () => {
  for (const version of ['20.19.4', '20.20.0', '21.0.0', '22.1.0', '24.0.0']) checkNode(version);
  for (const version of ['18.20.0', '20.18.9', '20.19.3']) {
    assert.throws(() => checkNode(version), { code: 'UNSUPPORTED' });
  }
});
