// SPDX-License-Identifier: Apache-2.0
// Whole pipelines on Python's DirectRunner. Starts the managed Python host.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { setLogSink } from '../../src/base/index.ts';
import {
  BeamBridgeError,
  combinePerKey,
  counter,
  create,
  createRunner,
  distribution,
  type ErrorCode,
  fixedWindows,
  flatten,
  fromAsyncIterable,
  gauge,
  groupByKey,
  iterableSideInput,
  P,
  type PCollection,
  parDo,
  pythonCallable,
  pythonTransform,
  type Root,
  sum,
  windowInto,
  withName,
  withSchema,
} from '../../src/index.ts';
import { writeToText } from '../../src/io/index.ts';
import { int64 } from '../../src/schema/index.ts';
import { ensurePythonEnvironment, getHost } from '../../src/services/index.ts';

const runner = createRunner({ runner: 'direct' });

const coded = (code: ErrorCode, check: (error: BeamBridgeError) => void) => (error: unknown) => {
  assert.ok(error instanceof BeamBridgeError, String(error));
  assert.equal(error.code, code, error.message);
  check(error);
  return true;
};

/** The elements that reach a function of this process. */
function collect<T>(into: T[]) {
  return (input: PCollection<T>) =>
    input.map(function collected(element) {
      return into.push(element);
    });
}

/** A promise and what resolves it. */
function gate() {
  let resolve!: () => void;
  const promise = new Promise<void>((open) => {
    resolve = open;
  });
  return { promise, resolve };
}

const numbers = (n: number) => create(Array.from({ length: n }, (_, i) => i));
const python = (lambda: string) =>
  pythonTransform('apache_beam.Map', [pythonCallable(lambda)], {}, { output: int64 });

test('functions of this program see every element, and async ones are awaited', async () => {
  const seen: number[] = [];
  const result = await runner.run((root) =>
    root
      .apply(numbers(1000))
      .map(async (x) => x * 2)
      .flatMap(function* (x) {
        if (x % 3 === 0) yield x;
      })
      .apply(collect(seen)),
  );
  assert.equal(result.state, 'DONE');
  assert.deepEqual(
    seen.sort((a, b) => a - b),
    Array.from({ length: 334 }, (_, i) => i * 6),
  );
});

test('grouping brings together all values of a key', async () => {
  const seen: { key: string; value: Iterable<number> }[] = [];
  await runner.run((root) =>
    root
      .apply(numbers(10))
      .map((x) => ({ key: x % 2 === 0 ? 'even' : 'odd', value: x }))
      .apply(groupByKey())
      .map(({ key, value }) => ({ key, value: [...value].sort() }))
      .apply(collect(seen)),
  );
  assert.deepEqual(
    seen.sort((a, b) => (a.key < b.key ? -1 : 1)),
    [
      { key: 'even', value: [0, 2, 4, 6, 8] },
      { key: 'odd', value: [1, 3, 5, 7, 9] },
    ],
  );
});

test('a side input is the whole of another collection', async () => {
  const seen: number[] = [];
  await runner.run((root) => {
    const others = root.apply(withName('others', create([10, 20])));
    root
      .apply(numbers(2))
      .map((x, { side }) => [...side.lookup()].reduce((a, b) => a + b, x), {
        side: iterableSideInput(others),
      })
      .apply(collect(seen));
  });
  assert.deepEqual(seen.sort(), [30, 31]);
});

test('metrics of a job are counted over its transforms', async () => {
  const result = await runner.run((root) => {
    const metrics = { n: counter('n'), size: distribution('size'), last: gauge('last', 'mine') };
    root
      .apply(numbers(4))
      .map((x, { n, size, last }) => {
        n.increment();
        size.update(x);
        last.set(7);
        return x;
      }, metrics)
      .map((_, { n }) => n.increment(10), { n: counter('n') });
  });
  assert.deepEqual(await result.counters(), { n: 44 });
  assert.deepEqual(await result.distributions(), {
    size: { count: 4, sum: 6, min: 0, max: 3 },
  });
  assert.equal((await result.gauges()).last?.value, 7);
  const metrics = await result.metrics();
  assert.deepEqual(
    metrics.query({ name: 'n', transform: 'map_2' }).counters.map(({ value }) => value),
    [40],
  );
  assert.equal(metrics.query({ namespace: 'mine' }).gauges.length, 1);
});

test('Python stages run between stages of this program', async () => {
  const seen: number[] = [];
  await runner.run((root) =>
    root
      .apply(numbers(5))
      .apply(withSchema(int64))
      .apply(python('lambda x: x * x'))
      .apply(collect(seen)),
  );
  assert.deepEqual(
    seen.sort((a, b) => a - b),
    [0, 1, 4, 9, 16],
  );
});

test('two runs of a program share one host', async () => {
  const one = await getHost();
  await runner.run((root) => root.apply(numbers(1)));
  await createRunner({ runner: 'direct' }).run((root) => root.apply(numbers(1)));
  const two = await getHost();
  assert.equal(two.pid, one.pid);
  assert.ok(two.alive);
});

test('runs may go on side by side', async () => {
  const results = await Promise.all(
    [10, 20, 30].map(async (n) => {
      const seen: number[] = [];
      await runner.run((root) => root.apply(numbers(n)).apply(collect(seen)));
      return seen.length;
    }),
  );
  assert.deepEqual(results, [10, 20, 30]);
});

test('one pipeline may be run from many places of its definition: names do not clash', async () => {
  const seen: number[] = [];
  await runner.run((root) => {
    for (let i = 0; i < 3; i++)
      root
        .apply(numbers(2))
        .map((x) => x + i)
        .apply(collect(seen));
  });
  assert.equal(seen.length, 6);
});

test('a function that throws in the third bundle rejects with what it threw', async () => {
  const thrown = new RangeError('digit out of range');
  let bundles = 0;
  const step = {
    beamName: 'step',
    startBundle: () => {
      bundles++;
    },
    *process(x: number) {
      if (bundles === 3) throw thrown;
      yield { key: x, value: x };
    },
  };
  const stage = (input: PCollection<number>) =>
    input
      .apply(parDo(step))
      .apply(groupByKey())
      .map(({ key }) => key);
  await assert.rejects(
    // Each grouping ends a stage, and each stage is a bundle.
    runner.run((root) => root.apply(numbers(3)).apply(stage).apply(stage).apply(stage)),
    coded('USER_CODE_FAILED', (error) => {
      assert.equal(error.cause, thrown);
      assert.match(error.message, /RangeError: digit out of range/);
      assert.match(error.transform ?? '', /parDo\(step\)/);
      assert.match(error.appliedAt ?? '', /runner-direct\.test\.ts:\d+/);
    }),
  );
  assert.equal(bundles, 3);
});

test('an error with a code of its own keeps it', async () => {
  await assert.rejects(
    runner.run((root) =>
      root.apply(numbers(1)).map(() => {
        throw new BeamBridgeError('IO_FAILED', 'no such bucket', { hint: 'Make it.' });
      }),
    ),
    coded('IO_FAILED', (error) => {
      assert.equal(error.hint, 'Make it.');
      assert.match(error.transform ?? '', /map/);
    }),
  );
});

test('an exception in a Python stage gives its last line, the transform and our line', async () => {
  await assert.rejects(
    runner.run((root) =>
      root
        .apply(numbers(1))
        .apply(withSchema(int64))
        .apply(withName('divide', python('lambda x: 1 // x'))),
    ),
    coded('PYTHON_EXCEPTION', (error) => {
      assert.match(error.shortMessage, /^ZeroDivisionError: /);
      assert.equal(error.transform, 'divide');
      assert.match(error.appliedAt ?? '', /runner-direct\.test\.ts:\d+/);
      assert.match(error.detail ?? '', /Traceback/);
    }),
  );
});

/** Starts a job whose only function waits until the test is over; resolves once it does. */
async function longJob(options: { signal?: AbortSignal } = {}) {
  const { promise: waiting, resolve } = gate();
  const result = await runner.runAsync(
    (root) =>
      root.apply(numbers(1)).map(async () => {
        resolve();
        await delay(600_000, undefined, { ref: false });
      }),
    options,
  );
  await waiting;
  return result;
}

test('a long job is cancelled, and the host goes on', async () => {
  const { pid } = await getHost();
  const result = await longJob();
  assert.equal(result.state, 'RUNNING');
  assert.equal(await result.waitUntilFinish(10), 'RUNNING');
  assert.equal(await result.cancel(), 'CANCELLED');
  assert.equal(await result.waitUntilFinish(), 'CANCELLED');
  await runner.run((root) => root.apply(numbers(1)));
  assert.equal((await getHost()).pid, pid);
});

test('cancel() while outputs get their names waits for them: the job is done, and all are there', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'beambridge-late-'));
  try {
    const [begun, slow] = [gate(), gate()];
    const result = await runner.runAsync((root) => {
      root.pipeline.commits.push(() => {
        begun.resolve();
        return slow.promise;
      });
      root.apply(create(['a'])).apply(writeToText(join(folder, 'out'), { numShards: 2 }));
    });
    await begun.promise;
    const shards = () => readdirSync(folder).filter((name) => name.startsWith('out'));
    assert.deepEqual([result.state, shards()], ['RUNNING', []]);
    const cancelled = result.cancel();
    slow.resolve();
    assert.equal(await cancelled, 'DONE');
    assert.deepEqual([result.state, shards().length], ['DONE', 2]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('an abort signal ends a job that runs', async () => {
  const controller = new AbortController();
  const result = await longJob({ signal: controller.signal });
  controller.abort();
  await assert.rejects(
    result.waitUntilFinish(),
    coded('ABORTED', () => {}),
  );
});

test('Python code that cannot be interrupted is ended with its host', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'beambridge-test-'));
  try {
    const asleep = join(folder, 'asleep');
    const tellsWhere = `print(__import__('os').getpid(), file=open(${JSON.stringify(asleep)}, 'w'))`;
    const sleeping = `lambda x: ${tellsWhere} or __import__('time').sleep(600) or x`;
    const result = await runner.runAsync((root) =>
      root.apply(numbers(1)).apply(withSchema(int64)).apply(python(sleeping)),
    );
    let pid = 0;
    while (pid === 0) {
      await delay(20);
      if (existsSync(asleep)) pid = Number(readFileSync(asleep, 'utf8'));
    }
    assert.equal(await result.cancel(), 'CANCELLED');
    assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
    await runner.run((root) => root.apply(numbers(1)));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a host that is killed in the middle of a job is told, and replaced by the next run', async () => {
  const { pid } = await getHost();
  const result = await longJob();
  process.kill(pid, 'SIGKILL');
  await assert.rejects(
    result.waitUntilFinish(),
    coded('HOST_DIED', (error) => assert.match(error.message, /SIGKILL/)),
  );
  await runner.run((root) => root.apply(numbers(1)));
  assert.notEqual((await getHost()).pid, pid);
});

test('a side input that Beam cannot order is refused here, and looked into on node', async () => {
  const seen: number[] = [];
  const construct = (root: Root) => {
    const one = root.apply(create([1]));
    const both = P([one, one.map((x) => x + 1)]).apply(flatten<number>());
    const all = one.map((x, { one }) => x + [...one.lookup()].length, {
      one: iterableSideInput(one),
    });
    const mixed = P([all, both]).apply(flatten<number>());
    one
      .map((_, { mixed }) => [...mixed.lookup()].length, { mixed: iterableSideInput(mixed) })
      .apply(collect(seen));
  };
  await assert.rejects(runner.run(construct), { code: 'UNSUPPORTED', hint: /node/ });
  await createRunner({ runner: 'node' }).run(construct);
  assert.deepEqual(seen, [3]);
});

test('a Python that the options name and that lacks Beam is refused as one of BEAMBRIDGE_PYTHON is', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'beambridge-bare-'));
  try {
    const { python } = await ensurePythonEnvironment();
    execFileSync(python, ['-m', 'venv', '--without-pip', folder]);
    const bare = createRunner({ runner: 'direct', python: join(folder, 'bin', 'python') });
    await assert.rejects(
      bare.run((root) => root.apply(create([1]))),
      coded('PACKAGE_NOT_INSTALLABLE', (error) => {
        assert.match(error.message, /option `python` .* does not have apache-beam/);
        assert.match(error.hint!, /pip install/);
      }),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a grouping of a stream is warned of: it comes out when the source ends, and not before', async () => {
  async function* some() {
    yield* [1, 2, 3];
  }
  const said: string[] = [];
  const restore = setLogSink(({ level, message }) => {
    if (level === 'warn') said.push(message);
  });
  const found: unknown[] = [];
  const run = (bounded: boolean) =>
    runner.run((root) =>
      root
        .apply(fromAsyncIterable(some, { bounded }))
        .apply(windowInto(fixedWindows(60)))
        .map((value) => ({ key: 'all', value }))
        .apply(combinePerKey(sum))
        .map((total) => found.push(total)),
    );
  try {
    await run(true);
    assert.deepEqual(said, []);
    await run(false);
  } finally {
    restore();
  }
  assert.deepEqual(found, Array(2).fill({ key: 'all', value: 6 }));
  assert.match(said.join(), /combinePerKey.* groups a stream/);
});
