// SPDX-License-Identifier: Apache-2.0
// Under which name Python keeps a transform's model, in a process that other programs may use.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeValue } from '../../../src/coders/index.ts';
import { perKey, RunInference, sklearn } from '../../../src/ml/index.ts';
import { Pipeline, Root } from '../../../src/pipeline/index.ts';
import { fromBinary, pb } from '../../../src/proto/index.ts';
import { array, int64, rowCoder, schemaFromProto, string } from '../../../src/schema/index.ts';
import { create, withName } from '../../../src/transforms/index.ts';

const TYPES = { example: array(int64), inference: int64 };
const digits = (more: object = {}) => sklearn({ modelUri: 'digits.pkl', ...TYPES, ...more });
const named = (handler = digits(), name = 'digits') =>
  RunInference.of(handler).withModelIdentifier(name);
const examples = (root: Root) => root.apply(create([[1, 2]]));

/** The names that Python is told. */
function identifiers(build: (root: Root) => void): (string | undefined)[] {
  const root = new Root(new Pipeline());
  build(root);
  return root.pipeline.transforms.flatMap(({ external }) => {
    if (!external) return [];
    const message = fromBinary(pb.ExternalConfigurationPayloadSchema, external.payload);
    const type = schemaFromProto<{ kwargs: { settings?: { model_identifier?: string } } }>(
      message.schema!,
    );
    return [decodeValue(rowCoder(type), message.payload).kwargs.settings?.model_identifier];
  });
}

test('a given name is that of a pipeline, and one for all of its transforms', () => {
  const twice = (root: Root) => {
    examples(root).apply(named());
    examples(root).apply(named(digits({ inferenceFn: 'my.predict', maxBatchSize: 2 })));
    examples(root).apply(named(digits({ modelUri: 'letters.pkl' }), 'letters'));
  };
  const [first, second, other] = identifiers(twice);
  assert.match(first!, /.-digits$/);
  assert.equal(second, first);
  assert.notEqual(other, first);
  assert.notEqual(identifiers(twice)[0], first);
});

test('neither an updated model nor one of a model manager has the name of another pipeline', () => {
  for (const scoring of [named().withWatchedModel('*.pkl'), named().withModelManager()]) {
    const build = (root: Root) => examples(root).apply(scoring);
    const [first, again] = [identifiers(build), identifiers(build)];
    assert.match(first.at(-1)!, /.-digits$/);
    assert.notDeepEqual(first, again);
  }
});

test('one name for models that are loaded differently is refused', () => {
  const others = [
    named(digits({ modelUri: 'letters.pkl' })),
    named(digits({ modelFileType: 'JOBLIB' })),
    named().withLargeModel(),
    named().withEnvVars({ A: '1' }),
    RunInference.of('my.Handler', TYPES).withModelIdentifier('digits'),
  ];
  for (const other of others) {
    const root = new Root(new Pipeline());
    examples(root).apply(withName('First', named()));
    assert.throws(() => examples(root).apply(withName('Second', other)), {
      code: 'INVALID_ARGUMENT',
      message: /model identifier digits is that of First/,
      transform: 'Second',
    });
  }
});

test('a model per key has the name of the same models only', () => {
  const of = (uri: string) =>
    RunInference.ofKVs(
      perKey([{ keys: ['a'], handler: digits({ modelUri: uri }) }]),
      string,
    ).withModelIdentifier('m');
  const root = new Root(new Pipeline());
  const keyed = root.apply(create([{ key: 'a', value: [1] }]));
  keyed.apply(withName('First', of('a.pkl')));
  keyed.apply(withName('Same', of('a.pkl')));
  assert.throws(() => keyed.apply(withName('Other', of('b.pkl'))), { code: 'INVALID_ARGUMENT' });
});
