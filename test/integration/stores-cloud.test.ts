// SPDX-License-Identifier: Apache-2.0
// Files of gs:// and az://, read and written by services that are slow, lose connections, refuse and throttle. What
// stores of objects share is tested by s3://.

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { execa } from 'execa';
import { create, type PCollection, type Root } from '../../src/index.ts';
import {
  readFromCsv,
  readFromText,
  type StoreOptions,
  watchFiles,
  writeToCsv,
  writeToText,
} from '../../src/io/index.ts';
import { outputsFor } from '../../src/io/stores/store-of.ts';
import { makeTemporary, removeMarked } from '../../src/io/text/output.ts';
import { createRunner } from '../../src/runners/index.ts';
import { int64, row, string } from '../../src/schema/index.ts';
import { startAz } from '../helpers/az.ts';
import type { Fault } from '../helpers/faults.ts';
import { BUCKET, startGs } from '../helpers/gs.ts';

const run = (construct: (root: Root) => void) => createRunner({ runner: 'node' }).run(construct);

async function valuesOf<T>(construct: (root: Root) => PCollection<T>): Promise<T[]> {
  const values: T[] = [];
  await run((root) => {
    construct(root).map((value) => void values.push(value));
  });
  return values;
}

/** Lines of which each can be told from all others, some of them long. */
function manyLines(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${i} ${'x'.repeat(i % 97)}`);
}

/** Which requests read an object, send bytes, and have an object appear. */
const REQUESTS = {
  gs: {
    read: /^GET .*alt=media/,
    list: /^GET .*\/o\?/,
    send: /^PUT .*upload_id=/,
    begin: /^POST .*uploadType=resumable/,
    // By what it sends; the last piece of a small object is all of it.
    appear: /^PUT .*upload_id=/,
  },
  az: {
    read: /^GET .*birds\/[^?]+$/,
    list: /^GET .*comp=list/,
    send: /^PUT .*comp=block&/,
    begin: /^PUT .*comp=block&/,
    appear: /^PUT .*comp=blocklist/,
  },
} as const;

const servers = { gs: await startGs(), az: await startAz() };
after(async () => {
  await servers.gs[Symbol.asyncDispose]();
  await servers.az[Symbol.asyncDispose]();
});

for (const scheme of ['gs', 'az'] as const) {
  describe(`${scheme}://`, { timeout: 300_000 }, () => {
    const store = servers[scheme];
    const { stores } = store;
    const asked = REQUESTS[scheme];
    const at = (key: string) => `${scheme}://${BUCKET}/${key}`;
    const linesOf = (pattern: string, options = {}) =>
      valuesOf((root) => root.apply(readFromText(pattern, { stores, ...options })));
    const writeTo = (prefix: string, lines: string[], options = {}) =>
      run((root) => {
        root.apply(create(lines)).apply(writeToText(at(prefix), { stores, ...options }));
      });
    const keysBelow = async (prefix: string) =>
      (await store.keys()).filter((key) => key.startsWith(prefix));
    /** Faults of the first requests that are like that. */
    const first = (times: number, request: RegExp, key: string, fault: Fault) => {
      let left = times;
      return (method: string, url: string) =>
        request.test(`${method} ${url}`) && decodeURIComponent(url).includes(key) && left-- > 0
          ? fault
          : undefined;
    };

    beforeEach(() => {
      store.fault = undefined;
      store.requests.length = 0;
    });

    test('patterns match keys, and lines come once however ranges are cut', async () => {
      const lines = manyLines(20_000);
      await store.put('in/a.txt', lines.slice(0, 15_000).join('\n'));
      await store.put('in/deep/b.txt.gz', gzipSync(lines.slice(15_000).join('\n')));
      await store.put('in/.hidden.txt', 'hidden');
      await store.put('in/c.csv', 'no');
      const found = await linesOf(at('in/**/*.{txt,txt.gz}'), { splitBytes: 100_000 });
      assert.deepEqual(found.sort(), [...lines].sort());
    });

    test('a name with characters of patterns, spaces and other letters is read and written as it is', async () => {
      await store.put('odd/[1]*ü 100%+ &#.txt', 'odd\n');
      assert.deepEqual(await linesOf(at('odd/[1]*ü 100%+ &#.txt')), ['odd']);
      await writeTo('odd/ä 5%+&#', ['a']);
      assert.deepEqual(await keysBelow('odd/ä'), ['odd/ä 5%+&#-00000-of-00001']);
    });

    test('what is not there, a folder, and a bucket that there is not are told', async () => {
      await store.put('some/x', 'x');
      await assert.rejects(linesOf(at('none.txt')), { code: 'FILE_NOT_FOUND' });
      await assert.rejects(linesOf(at('none/*.txt')), { code: 'FILE_NOT_FOUND' });
      await assert.rejects(linesOf(at('some')), { code: 'FILE_NOT_FOUND', message: /is a folder/ });
      const nobodys = `${scheme}://nobodys/`;
      for (const path of [`${nobodys}*.txt`, `${nobodys}x.txt`])
        await assert.rejects(linesOf(path), {
          code: 'FILE_NOT_FOUND',
          message: /there is no bucket nobodys/,
        });
      await assert.rejects(
        run((root) => {
          root.apply(create(['a'])).apply(writeToText(`${nobodys}out`, { stores }));
        }),
        { code: 'OUTPUT_NOT_WRITABLE', message: /there is no bucket nobodys/ },
      );
    });

    test('transfers that are torn are gone on with, and nothing comes twice', async () => {
      const lines = manyLines(30_000);
      await store.put('torn.txt', lines.join('\n'));
      let count = 0;
      store.fault = (method, url) => {
        if (!asked.read.test(`${method} ${url}`)) return undefined;
        count += 1;
        return count % 2 === 1 ? { cutAfter: 1 + ((count * 7919) % 30_000) } : undefined;
      };
      const found = await linesOf(at('torn.txt'), { splitBytes: 400_000 });
      assert.deepEqual(found.sort(), [...lines].sort());
      assert.ok(count > 2);
    });

    test('a transfer that is always torn is an error after few requests', async () => {
      await store.put('cut.txt', 'a line\n'.repeat(1000));
      store.fault = first(Infinity, asked.read, 'cut.txt', { cutAfter: 0 });
      await assert.rejects(linesOf(at('cut.txt')), {
        code: 'IO_FAILED',
        message: /connection was lost/,
      });
      assert.ok(store.requests.length <= 40, `${store.requests.length}`);
    });

    test('what stalls is begun anew: reads, lists, and what is written', async () => {
      const lines = manyLines(3000);
      await store.put('stalls/in.txt', lines.join('\n'));
      const impatient: { stores: StoreOptions } = { stores: { ...stores, idleTimeout: 400 } };
      store.fault = first(2, asked.read, 'stalls/', { stallAfter: 5000 });
      assert.deepEqual((await linesOf(at('stalls/in.txt'), impatient)).sort(), [...lines].sort());
      store.fault = first(1, asked.list, '', { stallAfter: 0 });
      assert.deepEqual((await linesOf(at('stalls/*.txt'), impatient)).sort(), [...lines].sort());
      store.fault = first(1, asked.send, '', { stallAfter: 0 });
      await writeTo('stalls/out', ['c'], impatient);
      store.fault = undefined;
      assert.deepEqual(await linesOf(at('stalls/out-*')), ['c']);
    });

    test('a store that throttles is asked again, and not for ever', async () => {
      await store.put('busy.txt', 'a\nb\n');
      const busy = { status: 503, code: scheme === 'az' ? 'ServerBusy' : 'backendError' };
      store.fault = first(2, asked.read, 'busy.txt', busy);
      assert.deepEqual(await linesOf(at('busy.txt')), ['a', 'b']);
      store.fault = first(1, asked.send, '', busy);
      await writeTo('busy/out', ['c']);
      store.fault = first(Infinity, asked.read, 'busy.txt', busy);
      await assert.rejects(linesOf(at('busy.txt')), { code: 'IO_FAILED', message: /overloaded/ });
      assert.ok(store.requests.length <= 40, `${store.requests.length}`);
    });

    test('access that is refused tells of credentials, before an output is begun', async () => {
      await store.put('secret.txt', 'a');
      store.fault = () => ({ status: 403, code: 'AuthorizationFailure' });
      const hint = scheme === 'az' ? /AZURE_STORAGE_ACCOUNT/ : /GOOGLE_APPLICATION_CREDENTIALS/;
      await assert.rejects(linesOf(at('secret.txt')), { code: 'IO_FAILED', hint });
      await assert.rejects(writeTo('refused/out', ['a']), { code: 'OUTPUT_NOT_WRITABLE', hint });
    });

    for (const [what, text] of [
      ['shorter', 'b\n'.repeat(300_000)],
      ['as large, and changed', 'c\n'.repeat(400_000)],
    ] as const) {
      test(`an object that is ${what} while it is read is an error, and no mixture`, async () => {
        await store.put('moving.txt', 'a\n'.repeat(400_000));
        const seen = new Set<string>();
        let replaced: Promise<void> | undefined;
        await assert.rejects(
          run((root) => {
            root
              .apply(readFromText(at('moving.txt'), { stores, splitBytes: 50_000 }))
              .map(async (line) => {
                seen.add(line);
                replaced ??= store.put('moving.txt', text);
                await replaced;
                return 0;
              });
          }),
          { code: 'IO_FAILED', message: /was changed while it was read/ },
        );
        assert.deepEqual([...seen], ['a']);
      });
    }

    test('an object that is stored as compressed comes as it is stored', async () => {
      const bird = row({ name: string, eggs: int64 });
      const birds = [{ name: 'owl', eggs: 3 }];
      await run((root) => {
        root
          .apply(create(birds, { schema: bird }))
          .apply(writeToCsv(at('records/birds'), { stores, fileNameSuffix: '.csv.gz' }));
      });
      const pattern = at('records/*.csv.gz');
      assert.deepEqual(
        await valuesOf((root) => root.apply(readFromCsv(pattern, { schema: bird, stores }))),
        birds,
      );
    });

    test('keys are found as they appear', async () => {
      await store.put('inbox/a', 'a');
      const watched = watchFiles(at('inbox/*'), { interval: 100, stopAfter: 300, stores });
      assert.deepEqual(await valuesOf((root) => root.apply(watched)), [at('inbox/a')]);
    });

    test('a large output is whole when it appears, though requests are torn and answers lost', async () => {
      const line = 'y'.repeat(1000);
      const lines = Array.from({ length: 20_000 }, (_, i) => `${i} ${line}`);
      const visible: string[][] = [];
      let sends = 0;
      store.fault = (method, url) => {
        if (!asked.send.test(`${method} ${url}`)) return undefined;
        sends += 1;
        if (sends % 3 === 0) return { tornAfter: 1_000_000 };
        return sends % 5 === 0 ? { unanswered: true } : undefined;
      };
      await run((root) => {
        root
          .apply(create(lines))
          .map(async (one) => {
            if (one.startsWith('19999 ')) visible.push(await store.keys());
            return one;
          })
          .apply(writeToText(at('large/out'), { stores, numShards: 2 }));
      });
      store.fault = undefined;
      assert.ok(sends > 5);
      assert.ok(!visible.flat().some((key) => key.startsWith('large/')));
      assert.deepEqual(await keysBelow('large/'), [
        'large/out-00000-of-00002',
        'large/out-00001-of-00002',
      ]);
      assert.deepEqual((await linesOf(at('large/out-*'))).sort(), [...lines].sort());
      assert.ok(!store.openUploads());
    });

    test('an output whose appearing is not answered is there, and is asked for no second time in vain', async () => {
      store.fault = first(1, asked.appear, '', { unanswered: true });
      await writeTo('silent/out', ['a']);
      assert.equal(await store.get('silent/out-00000-of-00001'), 'a\n');
    });

    test('an empty output is an empty object', async () => {
      await run((root) => {
        root
          .apply(create(['a']))
          .filter(() => false)
          .apply(writeToText(at('empty/out'), { stores }));
      });
      assert.equal(await store.get('empty/out-00000-of-00001'), '');
    });

    test('a run that fails leaves nothing, and replaces nothing', async () => {
      await store.put('fails/old-00000-of-00001', 'of yesterday\n');
      await assert.rejects(
        run((root) => {
          root.apply(create(['a'])).apply(writeToText(at('fails/old'), { stores }));
          root.apply(create(['b'])).apply(writeToText(at('fails/new'), { stores }));
          root.apply(create([1])).map(async () => {
            while (store.requests.filter((one) => asked.begin.test(one)).length < 4)
              await setTimeout(20);
            throw new Error('late');
          });
        }),
        { code: 'USER_CODE_FAILED' },
      );
      assert.equal(await store.get('fails/old-00000-of-00001'), 'of yesterday\n');
      assert.deepEqual(await keysBelow('fails/'), ['fails/old-00000-of-00001']);
      assert.ok(!store.openUploads());
    });

    test('when one file cannot appear, those before it are removed again', async () => {
      let appeared = 0;
      store.fault = (method, url) =>
        asked.appear.test(`${method} ${url}`) && ++appeared > 1
          ? { status: 403, code: 'AuthorizationFailure' }
          : undefined;
      await assert.rejects(writeTo('half/out', ['a', 'b'], { numShards: 2 }), {
        code: 'OUTPUT_NOT_WRITABLE',
      });
      assert.deepEqual(await keysBelow('half/'), []);
    });

    test('two runs at the same time may write the same names: it is whole of one of them', async () => {
      const runs = await Promise.allSettled(['a', 'b'].map((text) => writeTo('both/out', [text])));
      // What was sent of the other run is gone in Azure, which it is told.
      if (scheme === 'gs') assert.ok(runs.every(({ status }) => status === 'fulfilled'));
      for (const one of runs)
        if (one.status === 'rejected') assert.match(one.reason.message, /another run wrote/);
      assert.match(await store.get('both/out-00000-of-00001'), /^[ab]\n$/);
    });

    test('Ctrl-C leaves no output', async () => {
      const program = `
        import { create, createRunner } from './src/index.ts';
        import { writeToText } from './src/io/index.ts';
        await createRunner({ runner: 'node' }).run((root) => {
          root.apply(create(['a'])).apply(writeToText(${JSON.stringify(at('stopped/out'))}, { stores: ${JSON.stringify(stores)} }));
          root.apply(create([1])).map(() => new Promise((resolve) => setTimeout(resolve, 600_000)));
        });`;
      const child = execa('node', ['--import', 'tsx', '--input-type=module', '--eval', program], {
        cwd: fileURLToPath(new URL('../..', import.meta.url)),
        reject: false,
      });
      // The bucket was asked, and the shard is sent.
      const begun = () => store.requests.filter((one) => asked.begin.test(one)).length;
      while (begun() < (scheme === 'gs' ? 1 : 2)) await setTimeout(50);
      child.kill('SIGINT');
      const { signal } = await child;
      assert.equal(signal, 'SIGINT');
      assert.ok(!store.openUploads());
      assert.deepEqual(await keysBelow('stopped/'), []);
    });

    test('parts of other machines lie under hidden names, and are gone with the run', async () => {
      const output = { prefix: at('far/out'), stores };
      const outputs = outputsFor(output.prefix, stores);
      const keep = async (mark: string, name: string) => {
        const temporary = await makeTemporary(output, false, mark);
        const path = join(await outputs.partFolder(temporary), name);
        writeFileSync(path, name);
        return outputs.keepPart(temporary, path);
      };
      await keep('mark', 'part-1');
      await keep('mark', 'part-2');
      await keep('mark', 'part-3');
      const others = await keep('other', 'part-4');
      await assert.rejects(linesOf(at('far/**')), { code: 'FILE_NOT_FOUND' });
      await removeMarked(output, 'mark');
      assert.deepEqual(await keysBelow('far/'), [others.slice(at('').length)]);
    });
  });
}

test('gs:// goes with the credentials that Google finds', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'beambridge-gs-'));
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = join(folder, 'key.json');
  writeFileSync(
    key,
    JSON.stringify({
      type: 'service_account',
      client_email: 'me@nobody.iam.gserviceaccount.com',
      private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
      universe_domain: 'example.org',
    }),
  );
  const { gs } = servers.gs.stores;
  const stores = { gs: { ...gs, anonymous: false } };
  const reads = (name: string) =>
    valuesOf((root) => root.apply(readFromText(`gs://${BUCKET}/${name}`, { stores })));
  try {
    await servers.gs.put('known.txt', 'a\n');
    process.env.GOOGLE_APPLICATION_CREDENTIALS = join(folder, 'none.json');
    await assert.rejects(reads('known.txt'), { code: 'IO_FAILED', hint: /gcloud auth/ });
    // A service account of another universe signs its tokens itself, for which nobody is asked.
    process.env.GOOGLE_APPLICATION_CREDENTIALS = key;
    assert.deepEqual(await reads('known.txt'), ['a']);
  } finally {
    delete process.env.GOOGLE_APPLICATION_CREDENTIALS;
    rmSync(folder, { recursive: true });
  }
});

test('az:// needs an account', async () => {
  const read = (az: object) =>
    valuesOf((root) => root.apply(readFromText(`az://${BUCKET}/x`, { stores: { az } })));
  await assert.rejects(read({}), { code: 'INVALID_ARGUMENT', hint: /AZURE_STORAGE_ACCOUNT/ });
});

test('az:// refuses names that its package makes others of', async () => {
  const { az } = servers;
  az.fault = undefined;
  const { stores } = az;
  await az.put('w/b.txt', 'another');
  const refused = { code: 'INVALID_ARGUMENT', message: /makes another name of it/ };
  const at = (key: string) => `az://${BUCKET}/${key}`;
  await assert.rejects(
    valuesOf((root) => root.apply(readFromText(at('w/a/../b.txt'), { stores }))),
    refused,
  );
  for (const key of ['w/a/../b/out', 'w/./out', 'w/back\\slash'])
    await assert.rejects(
      run((root) => {
        root.apply(create(['a'])).apply(writeToText(at(key), { stores }));
      }),
      refused,
    );
  assert.deepEqual(
    (await az.keys()).filter((key) => key.startsWith('w/')),
    ['w/b.txt'],
  );
  await az.put('w/[1].txt', 'escaped');
  const escaped = at('w/\\[1\\].txt');
  assert.deepEqual(await valuesOf((root) => root.apply(readFromText(escaped, { stores }))), [
    'escaped',
  ]);
});

test('credentials are no options', () => {
  for (const given of [
    { az: { accountKey: 'A' } },
    { az: { endpoint: 'https://x.blob.core.windows.net?sig=1' } },
    { gs: { keyFile: 'A' } },
    { gs: { endpoint: 'https://me:secret@host' } },
  ])
    assert.throws(() => readFromText('gs://b/x', { stores: given as never }), {
      code: 'INVALID_ARGUMENT',
      hint: /environment/,
    });
});
