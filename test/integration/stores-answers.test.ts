// SPDX-License-Identifier: Apache-2.0
// Files of s3://, gs:// and az:// where something in between, or a service that knows half of the protocol, answers what
// it was not asked: parts, sizes and lists are errors then, and never fewer lines or others.

import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';
import { readFromText } from '../../src/io/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import { startAz } from '../helpers/az.ts';
import type { Answer, Fault } from '../helpers/faults.ts';
import { BUCKET, startGs } from '../helpers/gs.ts';
import { startS3 } from '../helpers/s3.ts';

/** Which requests read an object, ask what it is, and list. */
const REQUESTS = {
  s3: { read: /^GET .*\.txt/, look: /^HEAD /, list: /^GET .*list-type/ },
  gs: { read: /^GET .*alt=media/, look: /^GET .*\/o\/.*fields=size/, list: /^GET .*\/o\?/ },
  az: { read: /^GET .*\.txt$/, look: /^HEAD /, list: /^GET .*comp=list/ },
} as const;

const servers = { s3: await startS3(), gs: await startGs(), az: await startAz() };
after(async () => {
  for (const one of Object.values(servers)) await one[Symbol.asyncDispose]();
});

/** Lines of which each can be told from all others. */
const lines = Array.from({ length: 30_000 }, (_, i) => `${i} ${'x'.repeat(i % 97)}`);
const text = lines.join('\n');

function without({ headers, ...answer }: Answer, ...names: string[]): Answer {
  const kept = Object.entries(headers).filter(([name]) => !names.includes(name));
  return { ...answer, headers: Object.fromEntries(kept) };
}

/** What an answer says of the first byte of its part. */
function firstOf({ headers }: Answer): number {
  return Number(/^bytes (\d+)-/.exec(`${headers['content-range']}`)?.[1]);
}

for (const scheme of ['s3', 'gs', 'az'] as const) {
  describe(`${scheme}://`, { timeout: 300_000 }, () => {
    const store = servers[scheme];
    const asked = REQUESTS[scheme];
    const at = (key: string) => `${scheme}://${BUCKET}/${key}`;
    const linesOf = async (pattern: string, options = {}) => {
      const found: string[] = [];
      await createRunner({ runner: 'node' }).run((root) => {
        root
          .apply(readFromText(at(pattern), { stores: store.stores, ...options }))
          .map((line) => void found.push(line));
      });
      return found.sort();
    };
    const always = (request: RegExp, fault: Fault) => (method: string, url: string) =>
      request.test(`${method} ${url}`) ? fault : undefined;
    const inParts = { splitBytes: 400_000 };

    beforeEach(() => {
      store.fault = undefined;
      store.requests.length = 0;
    });

    test('a part that is answered with the whole object, and torn, is not taken for the part', async () => {
      await store.put('whole.txt', text);
      let isDone = false;
      store.fault = always(asked.read, {
        become: (answer) => {
          if (isDone || !(firstOf(answer) > 0)) return answer;
          isDone = true;
          const { headers } = without(answer, 'content-range', 'content-md5');
          const length = `${text.length}`;
          return {
            status: 200,
            headers: { ...headers, 'content-length': length },
            body: text,
            cut: 5000,
          };
        },
      });
      await assert.rejects(linesOf('whole.txt', inParts), {
        code: 'IO_FAILED',
        message: /gives no parts of objects/,
      });
      assert.ok(isDone);
    });

    test('the whole object is taken where all of it was asked for', async () => {
      await store.put('small.txt', 'a\nb\n');
      store.fault = always(asked.read, {
        become: (answer) => {
          const { headers, body } = without(answer, 'content-range');
          return { status: 200, headers: { ...headers, 'content-length': `${body.length}` }, body };
        },
      });
      assert.deepEqual(await linesOf('small.txt'), ['a', 'b']);
    });

    test('another part than was asked for, and one that is not named, are errors', async () => {
      await store.put('other.txt', text);
      store.fault = always(asked.read, {
        become: (answer) => {
          const first = firstOf(answer) - 16;
          if (!(first > 0)) return answer;
          const body = text.slice(first, first + answer.body.length);
          const range = `bytes ${first}-${first + body.length - 1}/${text.length}`;
          return { ...answer, headers: { ...answer.headers, 'content-range': range }, body };
        },
      });
      await assert.rejects(linesOf('other.txt', inParts), {
        code: 'IO_FAILED',
        message: /the service gives bytes \d+-\d+\/\d+, and not bytes/,
      });
      store.fault = always(asked.read, { become: (answer) => without(answer, 'content-range') });
      await assert.rejects(linesOf('other.txt', inParts), {
        code: 'IO_FAILED',
        message: /a part that it does not name/,
      });
    });

    test('an object of which the size is not said is an error, and not empty', async () => {
      await store.put('size.txt', text);
      store.fault = always(asked.look, {
        become: (answer) => {
          const { headers, ...rest } = without(answer, 'content-length');
          if (scheme === 'gs') return { ...rest, headers, body: '{"generation":"1"}' };
          return { ...rest, headers: { ...headers, 'transfer-encoding': 'chunked' } };
        },
      });
      await assert.rejects(linesOf('size.txt'), {
        code: 'IO_FAILED',
        message: /does not say how large it is/,
      });
    });

    test('a service that tells no versions apart is refused: a change would be a mixture', async () => {
      await store.put('tagless.txt', text);
      store.fault = always(/./, {
        become: (answer) => {
          const { headers, ...rest } = without(answer, 'etag', 'x-goog-generation');
          if (scheme !== 'gs') return { ...rest, headers };
          const { 'content-length': _, ...others } = headers;
          return { ...rest, headers: others, body: `{"size":"${text.length}"}` };
        },
      });
      await assert.rejects(linesOf('tagless.txt'), {
        code: 'UNSUPPORTED',
        message: /tells no versions apart/,
      });
    });

    for (const [what, type, body] of [
      ['a page of HTML', 'text/html', '<html><body>Sign in</body></html>'],
      ['nothing', 'application/xml', ''],
      ['an object without anything in it', 'application/json', '{}'],
    ] as const) {
      test(`a list that is answered with ${what} is an error, and no empty one`, async () => {
        await store.put('listed.txt', 'a');
        const headers = { 'content-type': type, 'content-length': `${body.length}` };
        store.fault = always(asked.list, { instead: { status: 200, headers, body } });
        await assert.rejects(linesOf('listed*', { allowEmptyMatch: true }), { code: 'IO_FAILED' });
      });
    }

    test('a list that names the same page again is an error, and not asked for ever', async () => {
      await store.put('again.txt', 'a');
      const xml = '<?xml version="1.0" encoding="UTF-8"?>';
      const body = {
        s3: `${xml}<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken></ListBucketResult>`,
        gs: '{"kind":"storage#objects","nextPageToken":"t"}',
        az: `${xml}<EnumerationResults ServiceEndpoint="x" ContainerName="birds"><Blobs></Blobs><NextMarker>t</NextMarker></EnumerationResults>`,
      }[scheme];
      const headers = { 'content-type': scheme === 'gs' ? 'application/json' : 'application/xml' };
      store.fault = always(asked.list, { instead: { status: 200, headers, body } });
      await assert.rejects(linesOf('again*'), { code: 'IO_FAILED', message: /same page/ });
      assert.ok(store.requests.length <= 20, `${store.requests.length}`);
    });
  });
}

describe('s3:// lists', { timeout: 60_000 }, () => {
  const { s3 } = servers;
  const linesOf = async (pattern: string) => {
    const found: string[] = [];
    await createRunner({ runner: 'node' }).run((root) => {
      root
        .apply(readFromText(`s3://${BUCKET}/${pattern}`, { stores: s3.stores }))
        .map((line) => void found.push(line));
    });
    return found;
  };
  const answers = (isTruncated: string) => (method: string, url: string) =>
    method === 'GET' && url.includes('list-type')
      ? {
          become: (answer: Answer) => ({
            ...without(answer, 'content-length'),
            body: answer.body
              .toString()
              .replace(/<IsTruncated>[a-z]*<\/IsTruncated>/, isTruncated)
              .replace(/<NextContinuationToken>[^<]*<\/NextContinuationToken>/, ''),
          }),
        }
      : undefined;

  test('one that says that there is more, and not how to go on, is an error', async () => {
    await s3.put('more/a.txt', 'a');
    s3.fault = answers('<IsTruncated>true</IsTruncated>');
    await assert.rejects(linesOf('more/*'), { code: 'IO_FAILED', message: /how to go on/ });
  });

  test('one that is over is over, whatever it says to go on by', async () => {
    await s3.put('over/a.txt', 'a');
    s3.fault = answers('<IsTruncated>false</IsTruncated><NextContinuationToken/>');
    assert.deepEqual(await linesOf('over/*'), ['a']);
  });
});
