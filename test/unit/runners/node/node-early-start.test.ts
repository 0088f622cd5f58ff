// SPDX-License-Identifier: Apache-2.0
// What is in front of a cross-language transform runs before it is expanded. The expansion service is
// one of this process, and what it gives the runner can do by itself.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { StrUtf8Coder } from '../../../../src/coders/index.ts';
import { rawExternalTransform } from '../../../../src/external/index.ts';
import { writeToText } from '../../../../src/io/index.ts';
import { P, type PCollection, parDo, type Root } from '../../../../src/pipeline/index.ts';
import { type ExpansionRequest, create as message, pb } from '../../../../src/proto/index.ts';
import { createRunner, type PipelineOptions } from '../../../../src/runners/index.ts';
import { string } from '../../../../src/schema/index.ts';
import {
  create,
  flatten,
  groupBy,
  listSideInput,
  withCoder,
} from '../../../../src/transforms/index.ts';
import { expansion, fakeExpansionService } from '../../../helpers/fake-expansion-service.ts';

const folder = mkdtempSync(join(tmpdir(), 'beambridge-early-'));
after(() => rmSync(folder, { recursive: true }));

/** An event of a test. */
function event() {
  let happen: () => void = () => {};
  const happened = new Promise<void>((resolve) => {
    happen = resolve;
  });
  return { happen: () => happen(), happened };
}

/** An expansion that gives what it was given, by way of a transform of its own. */
function copied(request: ExpansionRequest) {
  const answer = expansion(request);
  for (const transform of Object.values(answer.components!.transforms!)) {
    if (transform.spec?.urn !== 'fake:inner') continue;
    transform.spec = message(pb.FunctionSpecSchema, { urn: 'beam:transform:flatten:v1' });
    transform.environmentId = '';
  }
  return answer;
}

/** An expansion that gives its input itself. */
function passedThrough(request: ExpansionRequest) {
  const [input] = Object.values(request.transform!.inputs);
  return {
    components: copied(request).components!,
    transform: { ...request.transform!, subtransforms: [], outputs: { None: input! } },
  };
}

const external = (address: string) =>
  rawExternalTransform<PCollection<string>, PCollection<string>>('fake:asked', undefined, address, {
    output: string,
  });

const strings = (root: Root, values: readonly string[]) =>
  root.apply(create(values)).apply(withCoder(new StrUtf8Coder()));

const node = (options: PipelineOptions = {}) =>
  createRunner({ runner: 'node', progress: false, ...options });

for (const [how, answer] of Object.entries({ copied, passedThrough })) {
  test(`stages run before what is behind them is expanded (${how})`, {
    timeout: 20_000,
  }, async () => {
    const front = event();
    using service = await fakeExpansionService(async (request) => {
      await front.happened;
      return answer(request);
    });
    const seen: string[] = [];
    await node().run((root) => {
      strings(root, ['a', 'b', 'c'])
        .map((text) => {
          if (text === 'c') front.happen();
          return text;
        })
        .apply(withCoder(new StrUtf8Coder()))
        .apply(external(service.address))
        .map((text) => {
          seen.push(text);
        });
    });
    assert.deepEqual(seen.sort(), ['a', 'b', 'c']);
  });
}

test('several cross-language transforms one behind the other, a flatten, a grouping and side inputs', async () => {
  const front = event();
  using service = await fakeExpansionService(async (request) => {
    await front.happened;
    return request.transform!.uniqueName.endsWith('2') ? passedThrough(request) : copied(request);
  });
  const seen: unknown[] = [];
  await node({ forceEncoding: true }).run((root) => {
    const known = strings(root, ['x', 'y']);
    // Both the front and what is behind the expansion read it.
    const side = listSideInput(known);
    const marked = strings(root, ['a', 'b'])
      .map((text, { side }) => text + [...side.lookup()].sort().join(''), { side })
      .apply(withCoder(new StrUtf8Coder()));
    const once = marked.apply(external(service.address));
    const twice = once.apply(external(service.address));
    // All of the front has been given before anything is expanded.
    marked.map(() => front.happen());
    P([known, twice, marked])
      .apply(flatten())
      .apply(withCoder(new StrUtf8Coder()))
      .map((text, { side }) => `${text}/${[...side.lookup()].length}`, { side })
      .apply(groupBy((text) => text))
      .map(({ key, value }) => {
        seen.push([key, [...value].length]);
      });
  });
  assert.deepEqual(seen.sort(), [
    ['axy/2', 2],
    ['bxy/2', 2],
    ['x/2', 1],
    ['y/2', 1],
  ]);
});

test('more than memory should hold waits in front of what is not expanded', {
  timeout: 60_000,
}, async () => {
  const full = event();
  using service = await fakeExpansionService(async (request) => {
    await full.happened;
    return copied(request);
  });
  const text = 'x'.repeat(1000);
  let made = 0;
  let madeBefore = 0;
  let lengths = 0;
  const inputs = Array.from({ length: 200 }, (_, i) => String(i));
  await node().run((root) => {
    strings(root, inputs)
      .flatMap(function* (input) {
        // Long after this, a producer that did not wait would have made everything.
        if (input === '20') {
          setTimeout(() => {
            madeBefore = made;
            full.happen();
          }, 1000);
        }
        for (let i = 0; i < 500; i++) {
          made += text.length;
          yield text;
        }
      })
      .apply(withCoder(new StrUtf8Coder()))
      .apply(external(service.address))
      .map((one) => {
        lengths += one.length;
      });
  });
  assert.equal(lengths, 100_000_000);
  assert.ok(madeBefore < 50_000_000, `${madeBefore} bytes were made before anybody took them`);
});

test('an expansion that fails while stages run fails the start, and no output looks whole', {
  timeout: 20_000,
}, async () => {
  const front = event();
  using service = await fakeExpansionService(async () => {
    await front.happened;
    return { error: 'Traceback (most recent call last):\nValueError: no' };
  });
  const output = join(folder, 'failed', 'part');
  let tornDown = 0;
  const started = node().runAsync((root) => {
    strings(root, ['a', 'b'])
      .apply(
        parDo({
          process: (text: string) => {
            front.happen();
            return [text];
          },
          teardown: () => {
            tornDown += 1;
          },
        }),
      )
      .apply(withCoder(new StrUtf8Coder()))
      .apply(external(service.address))
      .apply(writeToText(output));
  });
  await assert.rejects(started, { code: 'EXPANSION_FAILED', message: /no/ });
  assert.equal(tornDown, 1);
  assert.ok(
    !existsSync(join(folder, 'failed')) || readdirSync(join(folder, 'failed')).length === 0,
  );
});

test('a stage that fails before the expansion is there fails the run, and nobody waits for it', {
  timeout: 20_000,
}, async () => {
  using service = await fakeExpansionService(() => new Promise<never>(() => {}));
  const run = node().run((root) => {
    strings(root, ['a'])
      .map((text): string => {
        throw new RangeError(`bad ${text}`);
      })
      .apply(withCoder(new StrUtf8Coder()))
      .apply(external(service.address))
      .map(() => {});
  });
  await assert.rejects(run, { code: 'USER_CODE_FAILED', message: /bad a/ });
});

test('a run is aborted while its stages run and the expansion is awaited', {
  timeout: 20_000,
}, async () => {
  using service = await fakeExpansionService(() => new Promise<never>(() => {}));
  const program = new AbortController();
  const started = node({ signal: program.signal }).runAsync((root) => {
    strings(root, ['a'])
      .map((text) => {
        setTimeout(() => program.abort(), 10);
        return text;
      })
      .apply(withCoder(new StrUtf8Coder()))
      .apply(external(service.address))
      .map(() => {});
  });
  await assert.rejects(started, { code: 'ABORTED' });
});
