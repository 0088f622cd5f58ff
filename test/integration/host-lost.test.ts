// SPDX-License-Identifier: Apache-2.0
// A managed host that is killed. Under a run on `node` another takes its place, what its workers had begun
// is done again, and every output counts once. While it expands, one of the program's own is replaced once,
// whatever the runner is.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { setLogSink } from '../../src/base/index.ts';
import { VarIntCoder } from '../../src/coders/index.ts';
import {
  create,
  createRunner,
  fromAsyncIterable,
  type PCollection,
  pythonCallable,
  pythonTransform,
  withCoder,
} from '../../src/index.ts';
import { int64 } from '../../src/schema/index.ts';
import { runningHosts, stopHosts } from '../../src/services/index.ts';
import { gone } from '../helpers/alive.ts';

after(stopHosts);

const onLinux = process.platform !== 'linux' && 'processes are found by /proc';

function doubled(source: PCollection<number>, text = 'lambda x: x * 2') {
  return source
    .apply(withCoder(new VarIntCoder()))
    .apply(
      pythonTransform('apache_beam.Map', [pythonCallable(text)], {}, { output: int64 }),
    ) as PCollection<number>;
}

/** Kills the host of this program; gives its process id. */
async function killHost(): Promise<number> {
  const [host] = await runningHosts();
  assert.ok(host, 'there is a host to kill');
  process.kill(host.pid, 'SIGKILL');
  await gone(host.pid);
  return host.pid;
}

/** What is warned of until it is disposed of. */
function warnings() {
  const said: string[] = [];
  const restore = setLogSink((record, before) => {
    if (record.level === 'warn') said.push(record.message);
    else before(record);
  });
  return { said, [Symbol.dispose]: restore };
}

test('a stream goes on when its host is killed, at work and at rest', async () => {
  using log = warnings();
  const out: number[] = [];
  const victims = new Set<number>();
  let over = false;
  const reached = async (count: number) => {
    while (out.length < count && !over) await delay(10);
  };
  async function* numbers() {
    for (let i = 0; i < 3000; i++) {
      yield i;
      // At work: some is back, the rest on its way.
      if (i === 500) await reached(1);
      if (i === 1000) victims.add(await killHost());
      if (i === 2000) {
        // At rest: everything is back.
        await reached(2001);
        victims.add(await killHost());
      }
      if (i % 50 === 0) await delay(5);
    }
  }
  const result = await createRunner({ runner: 'node', progress: false }).runAsync((root) =>
    doubled(root.apply(fromAsyncIterable(numbers)) as PCollection<number>).map((n) => {
      out.push(n);
    }),
  );
  const state = await result.waitUntilFinish().finally(() => {
    over = true;
  });
  assert.equal(state, 'DONE');
  assert.deepEqual(
    out.sort((a, b) => a - b),
    Array.from({ length: 3000 }, (_, i) => 2 * i),
  );
  assert.equal(victims.size, 2);
  assert.equal(log.said.filter((line) => /another one is started/.test(line)).length, 2);
});

test('a batch goes on, too', async () => {
  using _log = warnings();
  const out: number[] = [];
  let killing: Promise<number> | undefined;
  await createRunner({ runner: 'node', progress: false, pythonWorkers: 2 }).run((root) =>
    doubled(root.apply(create(Array.from({ length: 20_000 }, (_, i) => i)))).map((n) => {
      out.push(n);
      killing ??= killHost();
    }),
  );
  await killing;
  assert.deepEqual(
    out.sort((a, b) => a - b),
    Array.from({ length: 20_000 }, (_, i) => 2 * i),
  );
});

test('a bundle that ends its host each time ends the run', { skip: onLinux }, async () => {
  using log = warnings();
  // A worker is a fork of the host's helper.
  const text = `
import os, signal
def kill_host(x):
  if x == 7:
    with open(f'/proc/{os.getppid()}/stat') as stat:
      os.kill(int(stat.read().rpartition(')')[2].split()[1]), signal.SIGKILL)
    import time; time.sleep(60)
  return x
`;
  await assert.rejects(
    createRunner({ runner: 'node', progress: false }).run((root) =>
      doubled(root.apply(create([1, 7])), text),
    ),
    { code: 'HOST_DIED', message: /SIGKILL/ },
  );
  assert.ok(log.said.filter((line) => /another one is started/.test(line)).length <= 3);
});

test('a worker that is lost again at each try names its transform, and how it ended', async () => {
  using _log = warnings();
  for (const [ends, message, hint] of [
    ["__import__('os').kill(__import__('os').getpid(), 9)", /signal 9/, /out of memory/],
    ["__import__('os').kill(__import__('os').getpid(), 15)", /signal 15/, /Another program/],
    ["__import__('os').abort()", /signal 6/, /crashes/],
    ["__import__('os')._exit(0)", /ended by itself/, /os\._exit/],
    ["__import__('os')._exit(3)", /status 3/, /os\._exit/],
  ] as const) {
    const run = createRunner({ runner: 'node', progress: false }).run((root) =>
      doubled(root.apply(create([1, 7])), `lambda x: ${ends} if x == 7 else x`),
    );
    await assert.rejects(run, { code: 'WORKER_DIED', transform: /Map/, message, hint });
  }
});

test('a run that is cancelled while another host starts ends at once', async () => {
  using _log = warnings();
  let given = 0;
  async function* endless() {
    for (;;) {
      yield given++;
      await delay(5);
    }
  }
  const out: number[] = [];
  const result = await createRunner({ runner: 'node', progress: false }).runAsync((root) =>
    doubled(root.apply(fromAsyncIterable(endless)) as PCollection<number>).map((n) => {
      out.push(n);
    }),
  );
  while (out.length < 10) await delay(20);
  await killHost();
  await delay(50);
  assert.equal(await result.cancel(), 'CANCELLED');
});

/** A transform whose constructor kills its host, the first time that it is asked in `folder`. */
function killsOnce(folder: string): string {
  return `
import os, signal
import apache_beam as beam
def construct(pcoll):
  mark = os.path.join(${JSON.stringify(folder)}, 'killed')
  if not os.path.exists(mark):
    open(mark, 'w').close()
    os.kill(os.getpid(), signal.SIGKILL)
  return pcoll | beam.Map(lambda x: x + 1).with_output_types(int)
construct`;
}

for (const runner of ['node', 'direct'] as const) {
  test(`${runner}: a host that is lost while it expands is replaced, with all that it had expanded`, async () => {
    using log = warnings();
    const folder = mkdtempSync(join(tmpdir(), 'beambridge-lost-'));
    try {
      const out: number[] = [];
      await createRunner({ runner, progress: false }).run((root) =>
        (
          doubled(root.apply(create([1, 2, 3]))).apply(
            pythonTransform('__callable__', [], { source: killsOnce(folder) }, { output: int64 }),
          ) as PCollection<number>
        ).map((n) => {
          out.push(n);
        }),
      );
      assert.deepEqual(
        out.sort((a, b) => a - b),
        [3, 5, 7],
      );
      assert.ok(existsSync(join(folder, 'killed')));
      assert.deepEqual(
        log.said.map((line) => /another one is asked to expand/.test(line)),
        [true],
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test(`${runner}: applyAsync asks another host, and what a lost one expanded is asked for again`, async () => {
    using log = warnings();
    const folder = mkdtempSync(join(tmpdir(), 'beambridge-lost-'));
    try {
      const out: number[] = [];
      let second: number | undefined;
      await createRunner({ runner, progress: false }).run(async (root) => {
        const output = (await doubled(root.apply(create([1, 2, 3]))).applyAsync(
          pythonTransform('__callable__', [], { source: killsOnce(folder) }),
        )) as PCollection<number>;
        output.map((n) => {
          out.push(n);
        });
        second = await killHost();
      });
      assert.deepEqual(
        out.sort((a, b) => a - b),
        [3, 5, 7],
      );
      // The end of the second is known before it is asked, or is what its answer is missed by. Each host that is
      // warned of is another one; that of the test before may be missed as late as now.
      const lost = log.said
        .filter((line) => /another one is asked to expand/.test(line))
        .map((line) => /process (\d+)/.exec(line)?.[1]);
      assert.equal(new Set(lost).size, lost.length, log.said.join('\n'));
      assert.ok(
        lost.some((pid) => pid !== String(second)),
        log.said.join('\n'),
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}
