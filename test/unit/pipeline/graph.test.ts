// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { test } from 'node:test';
import type { BeamBridgeError } from '../../../src/base/index.ts';
import { BytesCoder, GlobalWindowCoder } from '../../../src/coders/index.ts';
import {
  callSite,
  flattenPValue,
  newOutput,
  P,
  type PCollection,
  Pipeline,
  PTransformClass,
  parDo,
  Root,
  SideInputParam,
  windowingStrategy,
  withName,
} from '../../../src/pipeline/index.ts';
import { sessions, windowInto } from '../../../src/transforms/index.ts';

const globalWindows = windowingStrategy({
  assignWindows: () => [],
  windowCoder: () => new GlobalWindowCoder(),
  toProto: () => ({ urn: 'beam:window_fn:global_windows:v1' }),
  isMerging: () => false,
  assignsToOneWindow: () => true,
});

function source<T = unknown>(root: Root): PCollection<T> {
  return root.apply((r, pipeline, node) => {
    assert.ok(r instanceof Root);
    node.spec = { urn: 'beam:transform:impulse:v1' };
    return newOutput(pipeline, node, 'main', new BytesCoder(), {
      windowing: globalWindows,
      bounded: true,
    }) as PCollection<unknown> as PCollection<T>;
  });
}

function names(build: (root: Root) => unknown): string[] {
  const pipeline = new Pipeline();
  build(new Root(pipeline));
  return pipeline.transforms.map((t) => t.name);
}

test('anonymous functions are numbered in the order in which they are applied', () => {
  const build = (root: Root) =>
    source<number>(root)
      .map((x) => x + 1)
      .map((x) => x + 1)
      .map(function double(x) {
        return x * 2;
      });
  assert.deepEqual(names(build), ['transform', 'map', 'map_2', 'map(double)']);
  assert.deepEqual(names(build), names(build));
});

test('two transforms that are given the same name are an error that names it', () => {
  assert.throws(
    () =>
      names((root) => {
        const numbers = source<number>(root);
        const same = () => withName('same', (pc: PCollection<number>) => pc.map((x) => x));
        numbers.apply(same());
        numbers.apply(same());
      }),
    (error: BeamBridgeError) => {
      assert.equal(error.code, 'DUPLICATE_TRANSFORM_NAME');
      assert.equal(error.transform, 'same');
      assert.match(error.hint!, /withName/);
      return true;
    },
  );
});

test('what a composite applies is named below it, also after it waited', async () => {
  class Slow extends PTransformClass<PCollection<number>, PCollection<number>> {
    override async expandAsync(input: PCollection<number>) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      return input.map((x) => x);
    }
  }
  const pipeline = new Pipeline();
  const numbers = source<number>(new Root(pipeline));
  await Promise.all([numbers.applyAsync(new Slow()), numbers.applyAsync(new Slow())]);
  assert.deepEqual(pipeline.transforms.map((t) => t.name).sort(), [
    'Slow',
    'Slow/map',
    'Slow_2',
    'Slow_2/map',
    'transform',
  ]);
});

const soon = () => new Promise((resolve) => setTimeout(resolve, 2));

test('pipelines built inside one another each know what of theirs is expanding', async () => {
  const outer = new Pipeline();
  const inner = new Pipeline();
  const numbers = source<number>(new Root(outer));
  const others = source<number>(new Root(inner));
  const wait = async (pc: PCollection<number>) => {
    await soon();
    return pc.map(function late(x) {
      return x;
    });
  };
  await numbers.applyAsync(
    withName('composite', async (pc: PCollection<number>) => {
      await others.applyAsync(
        withName('other', async (other: PCollection<number>) => {
          // Of the outer pipeline, while a transform of the inner one is expanding.
          await pc.applyAsync(withName('again', wait));
          pc.map((x) => x);
          return wait(other);
        }),
      );
      others.map((x) => x);
      return wait(pc);
    }),
  );
  assert.equal(outer.current, undefined);
  const namesOf = (pipeline: Pipeline) => pipeline.transforms.map((t) => t.name);
  assert.deepEqual(namesOf(outer), [
    'transform',
    'composite',
    'composite/again',
    'composite/again/map(late)',
    'composite/map',
    'composite/map(late)',
  ]);
  assert.deepEqual(namesOf(inner), ['transform', 'other', 'other/map(late)', 'map']);
});

test('composites of two pipelines that wait at the same time keep their names apart', async () => {
  const build = async () => {
    const pipeline = new Pipeline();
    const numbers = source<number>(new Root(pipeline));
    const slow = withName('slow', async (pc: PCollection<number>) => {
      for (let i = 0; i < 3; i++) {
        await soon();
        pc.map((x) => x);
      }
      return pc;
    });
    await Promise.all([numbers.applyAsync(slow), numbers.map((x) => x)]);
    return pipeline.transforms.map((t) => t.name);
  };
  const [one, other] = await Promise.all([build(), build()]);
  assert.deepEqual(one, ['transform', 'slow', 'map', 'slow/map', 'slow/map_2', 'slow/map_3']);
  assert.deepEqual(other, one);
});

test('pipelines share one AsyncLocalStorage, since each slows all later promises', (t) => {
  const used = new Set<unknown>();
  const { run } = AsyncLocalStorage.prototype;
  t.mock.method(AsyncLocalStorage.prototype, 'run', function (this: AsyncLocalStorage<unknown>) {
    used.add(this);
    // biome-ignore lint/complexity/noArguments: passed on as they come
    return Reflect.apply(run, this, arguments);
  });
  for (let i = 0; i < 3; i++) source<number>(new Root(new Pipeline())).map((x) => x);
  assert.equal(used.size, 1);
});

test('the same function may be used twice', () => {
  const twice = withName('twice', (pc: PCollection<number>) => pc.map((x) => x));
  const named = names((root) =>
    source<number>(root)
      .apply(twice)
      .map((x) => x),
  );
  assert.deepEqual(named, ['transform', 'twice', 'twice/map', 'map']);
});

test('a transform remembers the line of the program that applied it', () => {
  const pipeline = new Pipeline();
  source<number>(new Root(pipeline)).map((x) => x);
  assert.match(pipeline.transforms.at(-1)!.appliedAt!, /graph\.test\.ts:\d+:\d+$/);
  assert.match(callSite()!, /graph\.test\.ts/);
});

test('a PCollection in a context, in place of a side input of it, is refused', () => {
  const root = new Root(new Pipeline());
  const prices = source<number>(root);
  const names = source<string>(root);
  for (const apply of [
    () => names.map((name, context) => `${name} ${context.prices}`, { prices }),
    () => names.filter((_, context) => Boolean(context.prices), { prices }),
    () => names.map((name, context) => `${name} ${String(context)}`, prices),
  ]) {
    assert.throws(apply, (error: BeamBridgeError) => {
      assert.equal(error.code, 'INVALID_ARGUMENT');
      assert.match(error.message, /is a PCollection.*Wrap it: singletonSideInput/s);
      return true;
    });
  }
});

test('a context may be one side input itself', () => {
  const root = new Root(new Pipeline());
  const prices = new SideInputParam(source<number>(root), (all) => [...all]);
  source<string>(root).map((name, side) => `${name} ${side.lookup()}`, prices);
});

test('a PCollection of another pipeline is refused as an input and as a side input', () => {
  const one = source<number>(new Root(new Pipeline()));
  const other = source<number>(new Root(new Pipeline()));
  const isRefused = (error: BeamBridgeError) => error.code === 'INVALID_ARGUMENT';
  assert.throws(() => P([one, other]).apply(([a]) => a!), isRefused);
  const side = new SideInputParam(other, (all) => all);
  assert.throws(() => one.map((x) => x, { side }), isRefused);
});

test('a side input in windows that merge is refused where it is applied, with its line', () => {
  const numbers = source<number>(new Root(new Pipeline()));
  const inSessions = numbers.apply(windowInto(sessions(10)));
  const side = new SideInputParam(inSessions, (all) => all);
  assert.throws(() => numbers.map((x) => x, { side }), {
    code: 'UNSUPPORTED',
    message:
      /merge matches no window.*in transform: map \(applied at .*graph\.test\.ts:\d+.*fixed/s,
  });
});

test('map without a function is refused when it is applied', () => {
  const numbers = source<number>(new Root(new Pipeline()));
  assert.throws(
    () => numbers.map(undefined as unknown as (x: number) => number),
    (error: BeamBridgeError) => error.code === 'INVALID_ARGUMENT' && error.transform === 'map',
  );
  assert.throws(() => numbers.apply(parDo({} as never)), { code: 'INVALID_ARGUMENT' });
});

test('outputs by tag get PCollections of their own', () => {
  const outputs = source<number>(new Root(new Pipeline())).apply(
    parDo<number, number>({
      *process(x: number) {
        yield x;
      },
    }).withOutputs<{ good: number; bad: string }>({ main: 'good', tags: ['bad'] }),
  );
  assert.deepEqual(Object.keys(outputs), ['good', 'bad']);
  assert.notEqual(outputs.good.node.id, outputs.bad.node.id);
});

test('nested PValues are flattened by path', () => {
  const pc = source(new Root(new Pipeline()));
  assert.deepEqual(Object.keys(flattenPValue({ a: pc, b: [pc, pc] })), ['a', 'b.0', 'b.1']);
  assert.deepEqual(Object.keys(flattenPValue(pc)), ['main']);
  assert.throws(() => flattenPValue('x' as never), { code: 'INVALID_ARGUMENT' });
});
