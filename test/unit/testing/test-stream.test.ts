// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decodeValue,
  MAX_TIMESTAMP,
  MIN_TIMESTAMP,
  StrUtf8Coder,
} from '../../../src/coders/index.ts';
import type { PCollection } from '../../../src/pipeline/index.ts';
import { fromBinary, pb, urns } from '../../../src/proto/index.ts';
import { int64, row, rowCoder, string } from '../../../src/schema/index.ts';
import { type TestStream, testStream } from '../../../src/testing/index.ts';
import { timestamped } from '../../../src/transforms/index.ts';
import { build } from '../transforms/graph.ts';

/** What a runner is sent. */
function sent(stream: TestStream<unknown>) {
  const built = build((root) => root.apply(stream));
  const { spec, outputs } = built.find('testStream/TestStream');
  assert.equal(spec!.urn, urns.StandardPTransforms_Primitives.TEST_STREAM);
  const { pcollections, coders } = built.proto.components!;
  const [output] = Object.values(outputs);
  const { coderId, events } = fromBinary(pb.TestStreamPayloadSchema, spec!.payload);
  assert.equal(coders[coderId]!.spec!.urn, urns.StandardCoders_Enum.BYTES);
  assert.equal(pcollections[output!]!.coderId, coderId);
  return { ...built, events: events.map(({ event }) => event), output: pcollections[output!]! };
}

test('a script is sent as the events of Beam, in their order', () => {
  const { events, output } = sent(
    testStream(string)
      .addElements('a', timestamped('b', 5))
      .advanceWatermarkTo(1000)
      .addElements('c', timestamped('late', 3))
      .advanceProcessingTime(250)
      .advanceWatermarkToInfinity(),
  );
  assert.equal(output.isBounded, pb.IsBounded_Enum.UNBOUNDED);
  const told = events.map(({ case: kind, value }) => {
    if (kind === 'watermarkEvent') return `watermark ${Number(value.newWatermark)}`;
    if (kind === 'processingTimeEvent') return `clock ${value.advanceDuration}`;
    assert.equal(kind, 'elementEvent');
    return value.elements.map(({ encodedElement, timestamp }) => {
      const text = decodeValue(new StrUtf8Coder(), encodedElement);
      return `${text} at ${Number(timestamp)}`;
    });
  });
  assert.deepEqual(told, [
    [`a at ${MIN_TIMESTAMP}`, 'b at 5'],
    'watermark 1000',
    ['c at 1000', 'late at 3'],
    'clock 250',
    `watermark ${MAX_TIMESTAMP}`,
  ]);
});

test('a script without an end is given one, and each method makes a new stream', () => {
  const start = testStream<number>().addElements(1);
  start.advanceWatermarkTo(5);
  assert.deepEqual(
    sent(start).events.map((event) => event.case),
    ['elementEvent', 'watermarkEvent'],
  );
});

test('elements have the declared coder for the rest of the pipeline', () => {
  const type = row({ name: string, n: int64 });
  let output: PCollection<{ name: string; n: number }> | undefined;
  const { pipeline } = build((root) => {
    output = root.apply(testStream(type).addElements({ name: 'a', n: 1 }));
  });
  assert.equal(output!.coder.name, rowCoder(type).name);
  assert.equal(output!.isBounded, false);
  const decode = pipeline.functions.get('testStream/decode');
  assert.ok(decode);
});

const refused: [string, () => unknown, string, RegExp][] = [
  [
    'a watermark that goes backwards',
    () => testStream().advanceWatermarkTo(10).advanceWatermarkTo(9),
    'INVALID_ARGUMENT',
    /backwards, from 10 to 9.*timestamped\(value, time\)/s,
  ],
  [
    'a watermark that is a Date',
    () => testStream().advanceWatermarkTo(new Date() as unknown as number),
    'INVALID_ARGUMENT',
    /getTime/,
  ],
  [
    'a watermark that is no time',
    () => testStream().advanceWatermarkTo(Number.NaN),
    'INVALID_ARGUMENT',
    /watermark of a test stream is number NaN/,
  ],
  [
    'a clock that stands',
    () => testStream().advanceProcessingTime(0),
    'INVALID_ARGUMENT',
    /above 0/,
  ],
  [
    'a clock that goes backwards',
    () => testStream().advanceProcessingTime(-1),
    'INVALID_ARGUMENT',
    /above 0/,
  ],
  [
    'elements after the end',
    () => testStream<number>().advanceWatermarkToInfinity().addElements(1),
    'INVALID_ARGUMENT',
    /after its end/,
  ],
  [
    'an element that does not fit',
    () => testStream(row({ n: int64 })).addElements({ n: 'one' } as never),
    'ROW_MISMATCH',
    /field n is declared int64/,
  ],
];

for (const [name, construct, code, message] of refused) {
  test(`refused: ${name}`, () => assert.throws(construct, { code, message }));
}
