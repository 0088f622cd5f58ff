// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Coder,
  DoubleCoder,
  KVCoder,
  StrUtf8Coder,
  VarIntCoder,
} from '../../../src/coders/index.ts';
import type { DoFn, PCollection, RegisteredParDo } from '../../../src/pipeline/index.ts';
import { fromBinary, pb, urns } from '../../../src/proto/index.ts';
import { int64, string } from '../../../src/schema/index.ts';
import {
  bagState,
  create,
  eventTimeTimer,
  mapState,
  parDo,
  processingTimeTimer,
  sessions,
  setState,
  valueState,
  windowInto,
  withCoder,
} from '../../../src/transforms/index.ts';
import { build, newRoot } from '../transforms/graph.ts';

type Any = DoFn<never, unknown, never>;
const silent = { process: () => {} } as Any;
const hearing = { process: () => {}, onTimer: () => {} } as Any;
const apply = (input: PCollection<unknown>, context: unknown, doFn = silent) =>
  input.apply(parDo(doFn as never, context as never) as never);

test('the payload says which bags and timers there are, and the pipeline that it needs state', () => {
  const { find, proto } = build((root) => {
    const input = root
      .apply(create([{ key: 'a', value: 1 }]))
      .apply(
        withCoder(new KVCoder(new StrUtf8Coder(), new VarIntCoder()) as Coder<unknown>) as never,
      );
    const context = {
      seen: valueState(int64),
      by: mapState(string, int64),
      due: eventTimeTimer(),
      poll: processingTimeTimer(),
    };
    apply(input as never, context, hearing);
  });
  const { stateSpecs, timerFamilySpecs } = fromBinary(
    pb.ParDoPayloadSchema,
    find('parDo').spec!.payload,
  );
  assert.deepEqual(Object.keys(stateSpecs).sort(), ['by', 'seen']);
  assert.equal(stateSpecs.seen!.spec.case, 'bagSpec');
  assert.equal(timerFamilySpecs['due of parDo']!.timeDomain, pb.TimeDomain_Enum.EVENT_TIME);
  assert.equal(timerFamilySpecs['poll of parDo']!.timeDomain, pb.TimeDomain_Enum.PROCESSING_TIME);
  const coder = proto.components!.coders[timerFamilySpecs['due of parDo']!.timerFamilyCoderId]!;
  assert.equal(coder.spec!.urn, urns.StandardCoders_Enum.TIMER);
  const key = proto.components!.coders[coder.componentCoderIds[0]!]!;
  assert.equal(key.spec!.urn, urns.StandardCoders_Enum.STRING_UTF8);
  assert.deepEqual(proto.requirements, [
    urns.StandardRequirements_Enum.REQUIRES_STATEFUL_PROCESSING,
  ]);
});

test('timers of one name in two DoFns are two to runners, which may know them by it alone', () => {
  const { names, find } = build((root) => {
    const input = root.apply(create([{ key: 'a', value: 1 }]));
    apply(input, { due: eventTimeTimer() }, hearing);
    apply(input, { due: eventTimeTimer() }, hearing);
  });
  const families = names
    .filter((name) => /^parDo[^/]*\/process$/.test(name))
    .flatMap((name) => {
      const payload = fromBinary(pb.ParDoPayloadSchema, find(name).spec!.payload);
      return Object.keys(payload.timerFamilySpecs);
    });
  assert.deepEqual(families, ['due of parDo/process', 'due of parDo_2/process']);
});

test('plain key-values are encoded as such first, and their keys are bytes in timers', () => {
  const { names, find, proto } = build((root) =>
    apply(root.apply(create([{ key: 'a', value: 1 }])), { due: eventTimeTimer() }, hearing),
  );
  assert.ok(names.includes('parDo/withKeyCoder'), names.join());
  const { timerFamilySpecs } = fromBinary(
    pb.ParDoPayloadSchema,
    find('parDo/process').spec!.payload,
  );
  const { coders } = proto.components!;
  const [key] =
    coders[timerFamilySpecs['due of parDo/process']!.timerFamilyCoderId]!.componentCoderIds;
  assert.equal(coders[key!]!.spec!.urn, urns.StandardCoders_Enum.BYTES);
});

test('several outputs, and one context in two transforms', () => {
  const context = { seen: valueState(int64) };
  const { pipeline } = build((root) => {
    const input = root.apply(create([{ key: 'a', value: 1 }]));
    apply(input, context);
    const outputs = input.apply(
      parDo(silent as never, context as never).withOutputs({ main: 'a', tags: ['b'] }) as never,
    );
    assert.deepEqual(Object.keys(outputs as object).sort(), ['a', 'b']);
  });
  const registered = [...pipeline.functions.values()].map((one) => one as RegisteredParDo);
  assert.equal(registered.filter(({ states }) => states?.has('seen')).length, 2);
  assert.equal(context.seen.stateId, '', 'the declaration stays as it was');
});

const REFUSED: [string, () => unknown, string, RegExp][] = [
  [
    'elements without keys',
    () => apply(newRoot().apply(create(['a'], { coder: new StrUtf8Coder() })), { s: valueState() }),
    'INVALID_ARGUMENT',
    /belong to keys, but the elements are encoded by string_utf8/,
  ],
  [
    'windows that merge',
    () => {
      const input = newRoot()
        .apply(create([{ key: 1, value: 1 }]))
        .apply(windowInto(sessions(1)));
      apply(input, { s: bagState() });
    },
    'UNSUPPORTED',
    /windows that merge/,
  ],
  [
    'a timer that nothing hears of',
    () => apply(newRoot().apply(create([{ key: 1, value: 1 }])), { due: eventTimeTimer() }),
    'INVALID_ARGUMENT',
    /nothing hears of the timers/,
  ],
  [
    'onTimer without a timer',
    () => apply(newRoot().apply(create([{ key: 1, value: 1 }])), { s: valueState() }, hearing),
    'INVALID_ARGUMENT',
    /context no timer/,
  ],
  [
    'members of a set that may be encoded in several ways',
    () => setState(Object.assign(Object.create(new DoubleCoder()), { deterministic: false })),
    'NON_DETERMINISTIC_KEY',
    /a member of a set state/,
  ],
  [
    'state in map, which has no bundles to keep it for',
    () =>
      newRoot()
        .apply(create([1], { schema: int64 }))
        .map((n) => n, { s: valueState() }),
    'INVALID_ARGUMENT',
    /map was given a state or a timer/,
  ],
];

for (const [name, construct, code, message] of REFUSED) {
  test(`refused: ${name}`, () => {
    assert.throws(construct, { code, message });
  });
}

test('a state or a timer outside its context is an error', async () => {
  await assert.rejects(valueState().read(), { code: 'INVALID_ARGUMENT', message: /not declared/ });
  assert.throws(() => eventTimeTimer().set(1), { code: 'INVALID_ARGUMENT', message: /a timer is/ });
  assert.throws(() => eventTimeTimer().clear(), { code: 'INVALID_ARGUMENT' });
});

test('types are inferred from declarations', () => {
  const seen = valueState(int64);
  const read: () => Promise<number | undefined> = () => seen.read();
  const by = mapState(string, int64);
  const entries: () => Promise<[string, number][]> = () => by.read();
  assert.equal(typeof read, typeof entries);
});
