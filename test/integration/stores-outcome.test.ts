// SPDX-License-Identifier: Apache-2.0
// Outputs in s3://, gs:// and az:// whose last call is done and not answered, or answered and not done: no file of an
// output is removed while another one may be there, and the error says which are.

import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';
import { create } from '../../src/index.ts';
import { readFromText, writeToText } from '../../src/io/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import { startAz } from '../helpers/az.ts';
import type { Answer, Fault } from '../helpers/faults.ts';
import { BUCKET, startGs } from '../helpers/gs.ts';
import { startS3 } from '../helpers/s3.ts';

/** Which requests have an object appear, and which ask whether it is there. */
const REQUESTS = {
  s3: { appear: /^POST .*uploadId=/, look: /^HEAD / },
  gs: { appear: /^PUT .*upload_id=/, look: /^GET .*fields=size/ },
  az: { appear: /^PUT .*comp=blocklist/, look: /^GET .*comp=blocklist/ },
} as const;

const servers = { s3: await startS3(), gs: await startGs(), az: await startAz() };
after(async () => {
  for (const one of Object.values(servers)) await one[Symbol.asyncDispose]();
});

const rows = Array.from({ length: 300 }, (_, i) => `row ${i}`);
const HTML: Answer = {
  status: 200,
  headers: { 'content-type': 'text/html' },
  body: '<html><body>ok</body></html>',
};

for (const scheme of ['s3', 'gs', 'az'] as const) {
  describe(`${scheme}://`, { timeout: 300_000 }, () => {
    const store = servers[scheme];
    const asked = REQUESTS[scheme];
    const write = (prefix: string, numShards = 3) =>
      createRunner({ runner: 'node' }).run((root) => {
        root
          .apply(create(rows))
          .apply(
            writeToText(`${scheme}://${BUCKET}/${prefix}`, { stores: store.stores, numShards }),
          );
      });
    const keysBelow = async (prefix: string) =>
      (await store.keys()).filter((key) => key.startsWith(prefix));
    const linesBelow = async (prefix: string) => {
      const texts = await Promise.all((await keysBelow(prefix)).map((key) => store.get(key)));
      return texts.flatMap((one) => one.trimEnd().split('\n')).sort();
    };
    const isOf = (request: RegExp, shard: number, method: string, url: string) =>
      request.test(`${method} ${url}`) && decodeURIComponent(url).includes(`-0000${shard}-of`);
    /** A fault of all requests that have the third file appear. */
    const third = (fault: Fault) => (method: string, url: string) =>
      isOf(asked.appear, 2, method, url) ? fault : undefined;
    const busy = { status: 500, headers: { 'x-ms-error-code': 'InternalError' }, body: '' };

    beforeEach(() => {
      store.fault = undefined;
      store.requests.length = 0;
    });

    for (const [what, fault] of [
      ['never answered', { unanswered: true }],
      ['always answered by 500', { become: () => busy }],
    ] as const) {
      test(`a file that appears, which is ${what}, is found to be there`, async () => {
        store.fault = third(fault);
        await write('lost/out');
        assert.deepEqual(await linesBelow('lost/out'), [...rows].sort());
      });
    }

    test('where a file appears, and the store does not say so when it is asked, none is removed', async () => {
      let isDone = false;
      const prefix = 'unknown/out';
      store.fault = (method, url) => {
        if (isOf(asked.appear, 2, method, url)) {
          isDone = true;
          return { become: () => busy };
        }
        const isAsked = isOf(asked.look, 2, method, url) || isOf(/^DELETE/, 2, method, url);
        return isDone && isAsked ? { status: 500, code: 'InternalError' } : undefined;
      };
      await assert.rejects(write(prefix), {
        code: 'IO_FAILED',
        message: new RegExp(
          `it is not known whether ${scheme}://${BUCKET}/${prefix}-00002-of-00003 came to be there; 2 of the output's files are there`,
        ),
        hint: /Nothing was removed/,
      });
      store.fault = undefined;
      assert.deepEqual(await linesBelow(prefix), [...rows].sort());
    });

    test('an answer that is a page is no success, and what cannot come any more is taken back', async () => {
      store.fault = third({ instead: HTML });
      await assert.rejects(write('page/out'), { code: 'IO_FAILED' });
      store.fault = undefined;
      assert.deepEqual(await keysBelow('page/out'), []);
      await write('page/out');
      assert.deepEqual(await linesBelow('page/out'), [...rows].sort());
    });

    test('an output that is there already with the same bytes is written again, though the answer is lost', async () => {
      await write('same/out', 1);
      let isLost = false;
      store.fault = (method, url) => {
        if (isLost || !asked.appear.test(`${method} ${url}`)) return undefined;
        isLost = true;
        return { unanswered: true };
      };
      await write('same/out', 1);
      assert.ok(isLost);
      assert.deepEqual(await linesBelow('same/out'), [...rows].sort());
    });

    test('an empty output whose answer is lost is there', async () => {
      store.fault = (method, url) =>
        (scheme === 's3' ? /^PUT .*void\/out/ : asked.appear).test(`${method} ${url}`)
          ? { unanswered: true }
          : undefined;
      await createRunner({ runner: 'node' }).run((root) => {
        root
          .apply(create(['a']))
          .filter(() => false)
          .apply(writeToText(`${scheme}://${BUCKET}/void/out`, { stores: store.stores }));
      });
      assert.equal(await store.get('void/out-00000-of-00001'), '');
    });
  });
}

describe('s3:// and az://', { timeout: 120_000 }, () => {
  test('an object of fewer bytes than were sent is an error, and does not stay', async () => {
    const { s3 } = servers;
    let isDone = false;
    s3.fault = (method, url) => {
      if (method === 'POST' && url.includes('uploadId=')) isDone = true;
      if (method !== 'HEAD' || !isDone || !url.includes('-00001-of')) return undefined;
      return {
        become: (answer) => ({ ...answer, headers: { ...answer.headers, 'content-length': '7' } }),
      };
    };
    const write = createRunner({ runner: 'node' }).run((root) => {
      root
        .apply(create(rows))
        .apply(writeToText(`s3://${BUCKET}/short/out`, { stores: s3.stores, numShards: 2 }));
    });
    await assert.rejects(write, { code: 'IO_FAILED', message: /an object of 7 bytes, of \d+/ });
    s3.fault = undefined;
    assert.deepEqual(
      (await s3.keys()).filter((key) => key.startsWith('short/')),
      [],
    );
  });

  test('Azure is asked again where there were too many requests, reading and writing', async () => {
    const { az } = servers;
    const left = new Map<string, number>();
    az.fault = (method, url) => {
      const name = `${method} ${url}`;
      const seen = left.get(name) ?? 0;
      left.set(name, seen + 1);
      return seen < 2 ? { status: 429, code: 'TooManyRequests' } : undefined;
    };
    const { stores } = az;
    await createRunner({ runner: 'node' }).run((root) => {
      root.apply(create(['a'])).apply(writeToText(`az://${BUCKET}/many/out`, { stores }));
    });
    const found: string[] = [];
    await createRunner({ runner: 'node' }).run((root) => {
      root
        .apply(readFromText(`az://${BUCKET}/many/out-*`, { stores }))
        .map((line) => void found.push(line));
    });
    assert.deepEqual(found, ['a']);
  });
});
