// SPDX-License-Identifier: Apache-2.0
// Files of web servers: in parts, through redirects, and from servers that are busy, lose connections or know too little.

import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, beforeEach, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { readFromText, writeToText } from '../../src/io/index.ts';
import { createRunner } from '../../src/runners/index.ts';

let body = Buffer.alloc(0);
let tag: string | undefined;
let modified: string | undefined;
/** Answers in place of the server where it returns true. */
let instead: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
let requests = 0;

const server = createServer((request, response) => {
  requests += 1;
  if (instead?.(request, response)) return;
  const headers = { ...(tag && { etag: tag }), ...(modified && { 'last-modified': modified }) };
  const { range, 'if-match': match } = request.headers;
  if (match !== undefined && match !== tag) return void response.writeHead(412).end();
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
  if (first === undefined) return void response.writeHead(200, headers).end(body);
  const start = Number(first);
  const end = Math.min(Number(last) + 1, body.length);
  if (start >= body.length)
    return void response
      .writeHead(416, { ...headers, 'content-range': `bytes */${body.length}` })
      .end();
  response.writeHead(206, {
    ...headers,
    'content-range': `bytes ${start}-${end - 1}/${body.length}`,
    'content-length': end - start,
  });
  response.end(body.subarray(start, end));
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const host = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
after(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const lines = Array.from({ length: 30_000 }, (_, i) => `${i} ${'x'.repeat(i % 47)}`);

beforeEach(() => {
  body = Buffer.from(lines.join('\n'));
  tag = '"one"';
  modified = undefined;
  instead = undefined;
  requests = 0;
});

async function linesOf(path: string, options = {}): Promise<string[]> {
  const found: string[] = [];
  await createRunner({ runner: 'node' }).run((root) => {
    root.apply(readFromText(`${host}/${path}`, options)).map((line) => void found.push(line));
  });
  return found.sort();
}

const sorted = [...lines].sort();

test('the first look at a file is tried again, too, where the connection is lost', async () => {
  let lost = 0;
  instead = ({ socket }) => {
    lost += 1;
    if (lost > 2) return false;
    socket.destroy();
    return true;
  };
  assert.deepEqual(await linesOf('lines.txt'), sorted);
  lost = 0;
  instead = ({ socket }) => {
    lost += 1;
    socket.destroy();
    return true;
  };
  await assert.rejects(linesOf('lines.txt'), { code: 'IO_FAILED', message: /connection was lost/ });
  assert.ok(lost <= 20, `${lost} requests`);
});

test('a file is read in parts, through redirects, whatever says which version it is', async () => {
  instead = ({ url }, response) => {
    if (url !== '/moved?sig=a%2Fb') return false;
    response.writeHead(302, { location: '/lines.txt' }).end();
    return true;
  };
  assert.deepEqual(await linesOf('moved?sig=a%2Fb', { splitBytes: 200_000 }), sorted);
  tag = 'W/"weak"';
  assert.deepEqual(await linesOf('lines.txt'), sorted);
  tag = undefined;
  modified = 'Tue, 01 Dec 2026 00:00:00 GMT';
  assert.deepEqual(await linesOf('lines.txt'), sorted);
});

test('gzip goes by the name in front of a question mark, and an empty file has no lines', async () => {
  body = gzipSync(lines.join('\n'));
  assert.deepEqual(await linesOf('lines.txt.gz?sig=x'), sorted);
  body = Buffer.alloc(0);
  assert.deepEqual(await linesOf('empty.txt'), []);
});

test('torn transfers are gone on with, and busy servers asked again', async () => {
  let asked = 0;
  instead = ({ headers }, response) => {
    asked += 1;
    if (asked % 3 === 1) {
      response.writeHead(503, { 'retry-after': '0' }).end();
      return true;
    }
    if (asked % 3 === 2 || headers.range === 'bytes=0-0') return false;
    const [, start, last] = /bytes=(\d+)-(\d+)/.exec(headers.range!)!;
    response.writeHead(206, {
      etag: tag,
      'content-range': `bytes ${start}-${last}/${body.length}`,
      'content-length': Number(last) + 1 - Number(start),
    });
    response.write(body.subarray(Number(start), Number(start) + 1000));
    setImmediate(() => response.destroy());
    return true;
  };
  assert.deepEqual(await linesOf('lines.txt', { splitBytes: 500_000 }), sorted);
});

test('a server that stays busy is an error after few requests', async () => {
  instead = (_, response) => {
    response.writeHead(503, { 'retry-after': '0.01' }).end();
    return true;
  };
  await assert.rejects(linesOf('lines.txt'), { code: 'IO_FAILED', message: /overloaded/ });
  assert.ok(requests <= 12, `${requests} requests`);
});

for (const [what, become] of [
  [
    'another version',
    () => {
      tag = '"two"';
    },
  ],
  [
    'shortened',
    () => {
      body = body.subarray(0, 100);
    },
  ],
] as const) {
  for (const kind of ['"strong"', 'W/"weak"']) {
    test(`a file that becomes ${what} while it is read is an error (${kind})`, async () => {
      tag = kind;
      let parts = 0;
      instead = ({ headers }) => {
        if (headers.range !== 'bytes=0-0' && ++parts === 3) become();
        return false;
      };
      await assert.rejects(linesOf('lines.txt', { splitBytes: 100_000 }), {
        code: 'IO_FAILED',
        message: /was changed while it was read/,
      });
    });
  }
}

test('what is not there, is refused, or cannot be told apart is an error', async () => {
  instead = ({ url }, response) => {
    response.writeHead(url === '/none' ? 404 : 403).end();
    return true;
  };
  await assert.rejects(linesOf('none'), { code: 'FILE_NOT_FOUND' });
  assert.deepEqual(await linesOf('none', { allowEmptyMatch: true }), []);
  await assert.rejects(linesOf('secret'), { code: 'IO_FAILED', message: /access is refused/ });
  instead = undefined;
  tag = undefined;
  await assert.rejects(linesOf('lines.txt'), { code: 'UNSUPPORTED', message: /versions/ });
  instead = (_, response) => {
    response.writeHead(200, { etag: '"a"' }).end(body);
    return true;
  };
  await assert.rejects(linesOf('lines.txt'), { code: 'UNSUPPORTED', message: /no parts/ });
  instead = ({ url }, response) => {
    response.writeHead(302, { location: url }).end();
    return true;
  };
  await assert.rejects(linesOf('round'), { code: 'IO_FAILED', message: /again and again/ });
});

test('a password in a URL, and an output there, are refused', () => {
  assert.throws(
    () => readFromText('https://me:secret@host/x'),
    (error: Error) => {
      assert.match(error.message, /a URL of host has a password in it/);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    },
  );
  assert.throws(() => writeToText('https://host/out'), {
    code: 'UNSUPPORTED',
    message: /only be read/,
  });
});

test('a server that sends more than it was asked for fails the run, and not the program', async () => {
  instead = ({ headers: { range } }, response) => {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
    const part = body.subarray(Number(first), Number(last) + 1);
    const end = Number(first) + part.length - 1;
    response.writeHead(206, {
      etag: '"one"',
      'content-range': `bytes ${first}-${end}/${body.length}`,
    });
    // A look at its beginning is answered rightly.
    response.end(part.length > 1 ? Buffer.concat([part, Buffer.from('JUNK\n')]) : part);
    return true;
  };
  await assert.rejects(linesOf('more.txt'), {
    code: 'IO_FAILED',
    message: /more bytes came than were asked for/,
  });
});
