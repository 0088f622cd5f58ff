// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BeamBridgeError } from '../../../src/base/index.ts';
import { decodeValue } from '../../../src/coders/index.ts';
import {
  create,
  type JavaServiceChoice,
  javaService,
  javaTransform,
  typed,
} from '../../../src/index.ts';
import { Pipeline, Root } from '../../../src/pipeline/index.ts';
import { fromBinary, pb } from '../../../src/proto/index.ts';
import { int32, rowCoder, schemaFromProto, string } from '../../../src/schema/index.ts';

const service = javaService({ jars: 'lib' });

function payloadOf(transform: { payload: Uint8Array }): pb.JavaClassLookupPayload {
  return fromBinary(pb.JavaClassLookupPayloadSchema, transform.payload);
}

function values(schema: pb.Schema | undefined, payload: Uint8Array): unknown {
  return decodeValue(rowCoder(schemaFromProto(schema!)), payload);
}

describe('a Java transform by its class', () => {
  test('sends its constructor’s arguments by position, with their types', () => {
    const { className, constructorMethod, constructorSchema, constructorPayload } = payloadOf(
      javaTransform('org.example.T', { args: ['a', typed(int32, 5)], output: string, service }),
    );
    assert.equal(className, 'org.example.T');
    assert.equal(constructorMethod, '');
    assert.deepEqual(
      constructorSchema!.fields.map(({ name }) => name),
      ['ignore0', 'ignore1'],
    );
    assert.deepEqual(values(constructorSchema, constructorPayload), { ignore0: 'a', ignore1: 5 });
  });

  test('sends builder methods in their order, those of one name too, arguments also by name', () => {
    const { constructorMethod, builderMethods } = payloadOf(
      javaTransform('org.example.T', {
        constructorMethod: 'of',
        builderMethods: [
          ['withTag', ['a']],
          ['withTag', ['b']],
          ['withLimit', { most: 3 }],
        ],
        output: string,
        service,
      }),
    );
    assert.equal(constructorMethod, 'of');
    assert.deepEqual(
      builderMethods.map(({ name, schema, payload }) => [name, values(schema, payload)]),
      [
        ['withTag', { ignore0: 'a' }],
        ['withTag', { ignore0: 'b' }],
        ['withLimit', { most: 3 }],
      ],
    );
  });

  test('asks Java for no coder: what comes out is compared with what is declared', () => {
    const pipeline = new Pipeline();
    const root = new Root(pipeline);
    root.apply(create(['a']));
    root.apply(javaTransform('org.example.T', { output: string, service }));
    const { external } = pipeline.transforms.find((node) => node.external)!;
    assert.deepEqual([...external!.requestOutputCoders], []);
    assert.equal(external!.service, service);
  });

  for (const [what, made, message] of [
    ['a class that is none', () => javaTransform('not a class'), /names no Java class/],
    ['arguments that are no list', () => javaTransform('a.B', { args: 5 as never }), /no list/],
    ['null', () => javaTransform('a.B', { args: ['x', null] }), /argument 2 of the constructor/],
    ['a misspelt option', () => javaTransform('a.B', { builder: {} } as never), /builderMethods/],
    ['no jars', () => javaService({ jars: [] }), /there are no jars/],
  ] as const) {
    test(`${what} is refused`, () => {
      assert.throws(made, (error: unknown) => {
        assert.ok(error instanceof BeamBridgeError);
        assert.equal(error.code, 'INVALID_ARGUMENT');
        assert.match(error.message, message);
        return true;
      });
    });
  }

  test('without a service has Beam’s jar, of the release that is named', () => {
    const of = (beamVersion?: string) =>
      (javaTransform('a.B', { output: string, beamVersion }).service as JavaServiceChoice).jars;
    assert.equal(of()[0], 'org.apache.beam:beam-sdks-java-io-expansion-service:2.70.0');
    assert.equal(of('2.77.0')[0], 'org.apache.beam:beam-sdks-java-io-expansion-service:2.77.0');
    process.env.BEAMBRIDGE_JAVA_JARS = 'lib/';
    try {
      assert.deepEqual(of(), ['lib/']);
    } finally {
      delete process.env.BEAMBRIDGE_JAVA_JARS;
    }
  });
});
