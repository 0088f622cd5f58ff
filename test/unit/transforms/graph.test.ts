// SPDX-License-Identifier: Apache-2.0
// What transforms look like to a runner: composites, URNs, payloads, coders, names.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Coder, KVCoder, StrUtf8Coder, VarIntCoder } from '../../../src/coders/index.ts';
import { FUNCTION_URNS, P, type windowingStrategy } from '../../../src/pipeline/index.ts';
import { fromBinary, pb, urns } from '../../../src/proto/index.ts';
import { int64, row, string } from '../../../src/schema/index.ts';
import {
  type CombineFn,
  combineGlobally,
  combinePerKey,
  count,
  countPerElement,
  create,
  fixedWindows,
  flatten,
  groupBy,
  groupByKey,
  impulse,
  partition,
  type RegisteredCombine,
  reshuffle,
  sessions,
  sum,
  windowInto,
  withCoder,
  withRowCoder,
  withSchema,
} from '../../../src/transforms/index.ts';
import { build } from './graph.ts';

const onlyOutput = (transform: pb.PTransform) => Object.values(transform.outputs)[0]!;
const onlyInput = (transform: pb.PTransform) => Object.values(transform.inputs)[0]!;
const varInt = new VarIntCoder() as Coder<number>;

test('impulse is the primitive, with bytes in the global window', () => {
  const { find, coderUrn, proto } = build((root) => root.apply(impulse()));
  const node = find('impulse');
  assert.equal(node.spec!.urn, urns.StandardPTransforms_Primitives.IMPULSE);
  assert.deepEqual(coderUrn(onlyOutput(node)), ['beam:coder:bytes']);
  const [strategy] = Object.values(proto.components!.windowingStrategies);
  assert.equal(strategy!.windowFn!.urn, 'beam:window_fn:global_windows:v1');
});

test('create puts no elements into the message', () => {
  const secret = 'an element that nobody should see';
  const { proto } = build((root) => root.apply(create([secret, secret])));
  assert.ok(
    !JSON.stringify(proto, (_, v) => (typeof v === 'bigint' ? `${v}` : v)).includes(secret),
  );
  const large = build((root) => root.apply(create(Array.from({ length: 100_000 }, String))));
  assert.deepEqual(
    Object.keys(large.proto.components!.transforms),
    Object.keys(proto.components!.transforms),
  );
});

test('create of at most one element needs no reshuffle', () => {
  for (const elements of [[], [1]]) {
    const { names } = build((root) => root.apply(create(elements)));
    assert.deepEqual(names, ['create', 'create/impulse', 'create/read']);
  }
});

test('the same program gives the same names and functions', () => {
  const program = () =>
    build((root) => {
      const words = root.apply(create(['a', 'b']));
      words.apply(countPerElement());
      words.apply(countPerElement());
      words.apply(groupBy((w) => w.length)).map(({ key }) => key);
    });
  const [first, second] = [program(), program()];
  assert.deepEqual(first.names, second.names);
  assert.deepEqual([...first.pipeline.functions.keys()], [...second.pipeline.functions.keys()]);
  assert.ok(first.names.includes('countPerElement_2'));
});

test('groupByKey keeps a coder of key-values and gives an iterable of its values', () => {
  const { names, find, coderUrn } = build((root) =>
    root
      .apply(create([{ key: 'a', value: 1 }], { coder: new KVCoder(new StrUtf8Coder(), varInt) }))
      .apply(groupByKey()),
  );
  assert.ok(!names.includes('groupByKey/withKeyCoder'));
  assert.equal(
    find('groupByKey/group').spec!.urn,
    urns.StandardPTransforms_Primitives.GROUP_BY_KEY,
  );
  assert.deepEqual(coderUrn(onlyOutput(find('groupByKey'))), [
    'beam:coder:kv',
    'beam:coder:string_utf8',
    'beam:coder:iterable',
    'beam:coder:varint',
  ]);
});

test('groupByKey of plain values encodes their keys deterministically', () => {
  const { find, coderUrn } = build((root) =>
    root.apply(create([{ key: 'a', value: 1 }])).apply(groupByKey()),
  );
  assert.deepEqual(coderUrn(onlyInput(find('groupByKey/group'))), [
    'beam:coder:kv',
    'beambridge:coder:js-deterministic',
    'beambridge:coder:js',
  ]);
});

test('a combine is the composite that runners lift, with a grouping inside', () => {
  const { find, pipeline, proto, coderUrn } = build((root) =>
    root.apply(create([{ key: 'a', value: 1 }])).apply(combinePerKey(sum)),
  );
  const composite = find('combinePerKey(sum)/combine');
  assert.equal(composite.spec!.urn, urns.StandardPTransforms_Composites.COMBINE_PER_KEY);
  assert.notEqual(composite.environmentId, '');
  const payload = fromBinary(pb.CombinePayloadSchema, composite.spec!.payload);
  assert.equal(payload.combineFn!.urn, FUNCTION_URNS.combineFn);
  const key = Buffer.from(payload.combineFn!.payload).toString();
  const registered = pipeline.functions.get(key) as RegisteredCombine;
  assert.equal(registered.combineFn, sum);
  assert.equal(
    proto.components!.coders[payload.accumulatorCoderId]!.spec!.urn,
    'beam:coder:double:v1',
  );
  assert.equal(coderUrn(onlyInput(composite))[0], 'beam:coder:kv');
  const [group, combine] = composite.subtransforms.map((id) => proto.components!.transforms[id]!);
  assert.equal(group!.spec!.urn, urns.StandardPTransforms_Primitives.GROUP_BY_KEY);
  assert.equal(
    combine!.spec!.urn,
    urns.StandardPTransforms_CombineComponents.COMBINE_GROUPED_VALUES,
  );
  assert.deepEqual(combine!.spec!.payload, composite.spec!.payload);
  assert.deepEqual(Object.values(combine!.outputs), Object.values(composite.outputs));
});

test('several combiners have an accumulator coder made of theirs', () => {
  const own: CombineFn<unknown, string, string> = {
    createAccumulator: () => '',
    addInput: (all) => all,
    mergeAccumulators: () => '',
    extractOutput: (all) => all,
    accumulatorCoder: () => new StrUtf8Coder(),
  };
  const { find, proto } = build((root) =>
    root
      .apply(create([{ k: 'a', n: 1 }]))
      .apply(
        groupBy('k').combining('n', count, 'c').combining('n', own, 'o').combining('n', sum, 's'),
      ),
  );
  const { spec } = find('groupBy(k)/combine');
  const { accumulatorCoderId } = fromBinary(pb.CombinePayloadSchema, spec!.payload);
  const { coders } = proto.components!;
  const flat = (id: string): string[] => [
    coders[id]!.spec!.urn,
    ...coders[id]!.componentCoderIds.flatMap(flat),
  ];
  assert.deepEqual(flat(accumulatorCoderId), [
    'beam:coder:kv:v1',
    'beam:coder:varint:v1',
    'beam:coder:kv:v1',
    'beam:coder:string_utf8:v1',
    'beam:coder:double:v1',
  ]);
});

test('combineGlobally has a result for no elements in the global window only', () => {
  const globally = build((root) => root.apply(create([1])).apply(combineGlobally(sum)));
  assert.ok(globally.names.includes('combineGlobally(sum)/ofNothing'));
  const windowed = build((root) =>
    root
      .apply(create([1]))
      .apply(windowInto(fixedWindows(1)))
      .apply(combineGlobally(sum)),
  );
  assert.ok(!windowed.names.includes('combineGlobally(sum)/ofNothing'));
});

test('flatten of equal coders is the primitive, of others after they were made equal', () => {
  const same = build((root) =>
    P([root.apply(create([1])), root.apply(create(['a']))]).apply(flatten()),
  );
  assert.equal(same.find('flatten').spec!.urn, urns.StandardPTransforms_Primitives.FLATTEN);
  const mixed = build((root) =>
    P([root.apply(create([1])), root.apply(create(['a'], { coder: new StrUtf8Coder() }))]).apply(
      flatten<unknown>(),
    ),
  );
  assert.equal(mixed.find('flatten').spec, undefined);
  const union = mixed.find('flatten/union');
  assert.equal(union.spec!.urn, urns.StandardPTransforms_Primitives.FLATTEN);
  for (const input of Object.values(union.inputs)) {
    assert.deepEqual(mixed.coderUrn(input), ['beambridge:coder:js']);
  }
});

test('reshuffle is the composite that runners know, and keeps coder and windowing', () => {
  const { find, proto } = build((root) =>
    root
      .apply(create(['a'], { coder: new StrUtf8Coder() }))
      .apply(windowInto(sessions(5)))
      .apply(reshuffle()),
  );
  const node = find('reshuffle');
  assert.equal(node.spec!.urn, urns.StandardPTransforms_Composites.RESHUFFLE);
  const { pcollections, windowingStrategies } = proto.components!;
  const [input, output] = [pcollections[onlyInput(node)]!, pcollections[onlyOutput(node)]!];
  assert.equal(output.coderId, input.coderId);
  assert.equal(output.windowingStrategyId, input.windowingStrategyId);
  const grouped = pcollections[onlyInput(find('reshuffle/group'))]!;
  const strategy = windowingStrategies[grouped.windowingStrategyId]!;
  assert.equal(strategy.mergeStatus, pb.MergeStatus_Enum.NON_MERGING);
  assert.equal(strategy.windowFn!.urn, FUNCTION_URNS.windowFn);
});

test('windowInto says which window function and which strategy', () => {
  const { find, proto } = build((root) =>
    root.apply(create([1])).apply(
      windowInto(fixedWindows(2.5, 0.5), {
        allowedLateness: 7000,
        accumulationMode: 'accumulating',
        timestampCombiner: 'latest',
      }),
    ),
  );
  const node = find('windowInto(fixedWindows(2.5, 0.5))');
  assert.equal(node.spec!.urn, urns.StandardPTransforms_Primitives.ASSIGN_WINDOWS);
  const { windowFn } = fromBinary(pb.WindowIntoPayloadSchema, node.spec!.payload);
  const { size, offset } = fromBinary(pb.FixedWindowsPayloadSchema, windowFn!.payload);
  assert.deepEqual([size!.seconds, size!.nanos], [2n, 500_000_000]);
  assert.deepEqual([offset!.seconds, offset!.nanos], [0n, 500_000_000]);
  const { pcollections, windowingStrategies } = proto.components!;
  const strategy = windowingStrategies[pcollections[onlyOutput(node)]!.windowingStrategyId]!;
  assert.equal(strategy.allowedLateness, 7000n);
  assert.equal(strategy.accumulationMode, pb.AccumulationMode_Enum.ACCUMULATING);
  assert.equal(strategy.outputTime, pb.OutputTime_Enum.LATEST_IN_PANE);
});

test('a window function of the user is registered under the key in the payload', () => {
  const own = { ...fixedWindows(1), beamName: 'own', toProto: () => undefined };
  const { find, pipeline } = build((root) => root.apply(create([1])).apply(windowInto(own)));
  const { windowFn } = fromBinary(
    pb.WindowIntoPayloadSchema,
    find('windowInto(own)').spec!.payload,
  );
  assert.equal(windowFn!.urn, FUNCTION_URNS.windowFn);
  assert.equal(pipeline.functions.get(Buffer.from(windowFn!.payload).toString()), own);
});

test('declared types give portable coders', () => {
  const { find, coderUrn } = build((root) => {
    const people = root.apply(create([{ name: 'a', age: 1 }]));
    people.apply(withRowCoder({ name: '', age: 0 }));
    people.apply(withSchema(row({ name: string, age: int64 })));
    root.apply(create(['a'])).apply(withCoder(new StrUtf8Coder()));
    root.apply(create([1], { schema: int64 }));
  });
  assert.deepEqual(coderUrn(onlyOutput(find('withRowCoder'))), ['beam:coder:row']);
  assert.deepEqual(coderUrn(onlyOutput(find('withSchema'))), ['beam:coder:row']);
  assert.deepEqual(coderUrn(onlyOutput(find('withCoder(string_utf8)'))), [
    'beam:coder:string_utf8',
  ]);
  assert.deepEqual(coderUrn(onlyOutput(find('create_3'))), ['beam:coder:varint']);
});

test('partitions keep the coder of the input', () => {
  const { find, coderUrn } = build((root) =>
    root.apply(create(['a'], { coder: new StrUtf8Coder() })).apply(partition(() => 0, 2)),
  );
  for (const output of Object.values(find('partition').outputs)) {
    assert.deepEqual(coderUrn(output), ['beam:coder:string_utf8']);
  }
});

test('an unbounded PCollection needs windows or a trigger before it is grouped', () => {
  const grouped = (prepare: (strategy: ReturnType<typeof windowingStrategy>) => object) =>
    build((root) => {
      const input = root.apply(create([{ key: 1, value: 1 }]));
      input.node.bounded = false;
      input.node.windowing = { ...input.node.windowing, ...prepare(input.node.windowing) };
      input.apply(groupByKey());
    });
  assert.throws(() => grouped(() => ({})), { code: 'INVALID_ARGUMENT', message: /never ends/ });
  grouped(() => ({ windowFn: fixedWindows(1) }));
  grouped(() => ({ trigger: { trigger: { case: 'always', value: {} } } }));
});
