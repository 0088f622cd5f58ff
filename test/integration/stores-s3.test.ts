// SPDX-License-Identifier: Apache-2.0
// Files of s3://, read and written by an S3 service that is slow, loses connections, refuses and throttles.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { execa } from 'execa';
import {
  create,
  fixedWindows,
  type PCollection,
  type Root,
  timestamped,
  windowInto,
} from '../../src/index.ts';
import {
  readAllFromText,
  readFromAvro,
  readFromCsv,
  readFromJson,
  readFromParquet,
  readFromText,
  watchFiles,
  writeToCsv,
  writeToJson,
  writeToParquet,
  writeToText,
} from '../../src/io/index.ts';
import { loadPackage } from '../../src/io/stores/load-package.ts';
import type { Outputs } from '../../src/io/stores/store.ts';
import { outputsFor } from '../../src/io/stores/store-of.ts';
import {
  completeOutput,
  makeTemporary,
  placeOutputs,
  removeMarked,
  removeTemporary,
} from '../../src/io/text/output.ts';
import { textFormat } from '../../src/io/text/text-format.ts';
import { createRunner } from '../../src/runners/index.ts';
import { int64, row, string } from '../../src/schema/index.ts';
import { testStream } from '../../src/testing/index.ts';
import type { Fault } from '../helpers/faults.ts';
import { BUCKET, startS3 } from '../helpers/s3.ts';

const s3 = await startS3();
after(() => s3[Symbol.asyncDispose]());
const { stores } = s3;
const at = (key: string) => `s3://${BUCKET}/${key}`;
const run = (construct: (root: Root) => void) => createRunner({ runner: 'node' }).run(construct);

beforeEach(() => {
  s3.fault = undefined;
  s3.requests.length = 0;
});

async function valuesOf<T>(construct: (root: Root) => PCollection<T>): Promise<T[]> {
  const values: T[] = [];
  await run((root) => {
    construct(root).map((value) => void values.push(value));
  });
  return values;
}

const linesOf = (pattern: string, options = {}) =>
  valuesOf((root) => root.apply(readFromText(pattern, { stores, ...options })));

/** Lines of which each can be told from all others, some of them long. */
function manyLines(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${i} ${'x'.repeat(i % 97)}`);
}

/** Answers to the first requests that are asked for. */
function first(times: number, method: string, key: string, fault: Fault) {
  let left = times;
  return (asked: string, url: string) =>
    asked === method && url.includes(key) && left-- > 0 ? fault : undefined;
}

const always = (method: string, key: string, fault: Fault) => first(Infinity, method, key, fault);

test('patterns match keys, hidden ones and folders not, and lines come once however ranges are cut', async () => {
  const lines = manyLines(20_000);
  await s3.put('in/a.txt', lines.slice(0, 15_000).join('\n'));
  await s3.put('in/deep/b.txt.gz', gzipSync(lines.slice(15_000).join('\n')));
  await s3.put('in/.hidden.txt', 'hidden');
  await s3.put('in/deep/', '');
  await s3.put('in/c.csv', 'no');
  const found = await linesOf(at('in/**/*.{txt,txt.gz}'), { splitBytes: 100_000 });
  assert.deepEqual(found.sort(), [...lines].sort());
  assert.deepEqual(await linesOf(at('in/[a-b].tx?')), lines.slice(0, 15_000));
});

test('a name with characters of patterns, spaces and other letters is read as it is', async () => {
  await s3.put('odd/[1]*ü 100%+.txt', 'odd\n');
  assert.deepEqual(await linesOf(at('odd/[1]*ü 100%+.txt')), ['odd']);
});

test('what is not there, a folder, and a bucket that there is not are told', async () => {
  await s3.put('some/x', 'x');
  await assert.rejects(linesOf(at('none.txt')), { code: 'FILE_NOT_FOUND' });
  await assert.rejects(linesOf(at('none/*.txt')), { code: 'FILE_NOT_FOUND' });
  await assert.rejects(linesOf(at('some')), { code: 'FILE_NOT_FOUND', message: /is a folder/ });
  await assert.rejects(linesOf('s3://nobodys/*.txt'), {
    code: 'FILE_NOT_FOUND',
    message: /there is no bucket nobodys/,
  });
  assert.deepEqual(await linesOf(at('none/*.txt'), { allowEmptyMatch: true }), []);
});

test('transfers that are torn are gone on with, and nothing comes twice', async () => {
  const lines = manyLines(30_000);
  await s3.put('torn.txt', lines.join('\n'));
  let asked = 0;
  s3.fault = (method, url) => {
    if (method !== 'GET' || !url.includes('torn.txt')) return undefined;
    asked += 1;
    return asked % 2 === 1 ? { cutAfter: 1 + ((asked * 7919) % 30_000) } : undefined;
  };
  const found = await linesOf(at('torn.txt'), { splitBytes: 400_000 });
  assert.deepEqual(found.sort(), [...lines].sort());
});

test('a transfer that is always torn is an error after few requests', async () => {
  await s3.put('cut.txt', 'a line\n'.repeat(1000));
  s3.fault = always('GET', 'cut.txt', { cutAfter: 0 });
  await assert.rejects(linesOf(at('cut.txt')), {
    code: 'IO_FAILED',
    message: /connection was lost/,
  });
  assert.ok(s3.requests.filter((one) => one.startsWith('GET')).length <= 20);
});

test('a transfer that stalls is begun anew', async () => {
  const lines = manyLines(3000);
  await s3.put('stalls.txt', lines.join('\n'));
  s3.fault = first(2, 'GET', 'stalls.txt', { stallAfter: 5000 });
  const impatient = { stores: { ...stores, idleTimeout: 400 } };
  assert.deepEqual((await linesOf(at('stalls.txt'), impatient)).sort(), [...lines].sort());
});

test('a list, and what is written, are asked for again when the answer stalls', async () => {
  await s3.put('quiet/in.txt', 'a\nb\n');
  const impatient = { stores: { ...stores, idleTimeout: 400 } };
  s3.fault = first(1, 'GET', 'list-type', { stallAfter: 0 });
  assert.deepEqual((await linesOf(at('quiet/*.txt'), impatient)).sort(), ['a', 'b']);
  s3.fault = first(1, 'PUT', 'uploadId=', { stallAfter: 0 });
  await createRunner({ runner: 'node' }).run((root) => {
    root.apply(create(['c'])).apply(writeToText(at('quiet/out'), impatient));
  });
  s3.fault = undefined;
  assert.deepEqual(await linesOf(at('quiet/out-*')), ['c']);
});

test('a store that throttles is asked again, and not for ever', async () => {
  await s3.put('busy.txt', 'a\nb\n');
  s3.fault = first(2, 'GET', 'busy.txt', { status: 503, code: 'SlowDown' });
  assert.deepEqual(await linesOf(at('busy.txt')), ['a', 'b']);
  s3.requests.length = 0;
  s3.fault = always('GET', 'busy.txt', { status: 503, code: 'SlowDown' });
  await assert.rejects(linesOf(at('busy.txt')), { code: 'IO_FAILED', message: /overloaded/ });
  assert.ok(s3.requests.filter((one) => one.startsWith('GET')).length <= 20);
});

test('access that is refused tells of credentials, before an output is begun', async () => {
  await s3.put('secret.txt', 'a');
  s3.fault = () => ({ status: 403, code: 'AccessDenied' });
  await assert.rejects(linesOf(at('secret.txt')), {
    code: 'IO_FAILED',
    hint: /AWS_ACCESS_KEY_ID/,
  });
  await assert.rejects(
    run((root) => {
      root.apply(create(['a'])).apply(writeToText(at('refused/out'), { stores }));
    }),
    { code: 'OUTPUT_NOT_WRITABLE', hint: /AWS_ACCESS_KEY_ID/ },
  );
  assert.ok(!s3.requests.some((one) => one.startsWith('PUT')));
});

for (const [what, become] of [
  ['changed', () => s3.put('moving.txt', 'b\n'.repeat(300_000))],
  ['as large, and changed', () => s3.put('moving.txt', 'c\n'.repeat(400_000))],
] as const) {
  test(`an object that is ${what} while it is read is an error, and no mixture`, async () => {
    await s3.put('moving.txt', 'a\n'.repeat(400_000));
    const seen = new Set<string>();
    let replaced: Promise<void> | undefined;
    await assert.rejects(
      run((root) => {
        root
          .apply(readFromText(at('moving.txt'), { stores, splitBytes: 50_000 }))
          .map(async (line) => {
            seen.add(line);
            replaced ??= become();
            await replaced;
            return 0;
          });
      }),
      { code: 'IO_FAILED', message: /was changed while it was read/ },
    );
    assert.deepEqual([...seen], ['a']);
  });
}

test('records of CSV, JSON, Parquet and Avro are read and written, all or one by one', async () => {
  const bird = row({ name: string, eggs: int64 });
  const birds = [
    { name: 'tit, "great"', eggs: 9 },
    { name: 'owl', eggs: 3 },
  ];
  await run((root) => {
    root.apply(create(birds, { schema: bird })).apply(writeToCsv(at('records/birds'), { stores }));
    root.apply(create(birds, { schema: bird })).apply(writeToJson(at('records/birds'), { stores }));
    root
      .apply(create(birds, { schema: bird }))
      .apply(writeToParquet(at('records/birds'), { stores }));
  });
  const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? 1 : -1);
  const csv = await valuesOf((root) =>
    root.apply(readFromCsv(at('records/*.csv'), { schema: bird, stores })),
  );
  assert.deepEqual(csv.sort(byName), birds);
  const json = await valuesOf((root) =>
    root.apply(readFromJson(at('records/*.jsonl'), { schema: bird, stores })),
  );
  assert.deepEqual(json.sort(byName), birds);
  const parquet = await valuesOf((root) =>
    root.apply(readFromParquet(at('records/*.parquet'), { schema: bird, stores })),
  );
  assert.deepEqual(parquet.sort(byName), birds);
  await s3.put(
    'weather.avro',
    readFileSync(new URL('../../test/fixtures/avro/apache/weather-deflate.avro', import.meta.url)),
  );
  const weather = await valuesOf((root) =>
    root.apply(readFromAvro(at('weather.avro'), { schema: row({ temp: int64 }), stores })),
  );
  assert.equal(weather.length, 5);
  const one = await valuesOf((root) =>
    root
      .apply(create([at('records/*.csv')]))
      .apply(readAllFromText({ stores, skipHeaderLines: 1, withFilename: true })),
  );
  assert.deepEqual(
    [...new Set(one.map(({ key }) => key))],
    [at('records/birds-00000-of-00001.csv')],
  );
});

test('keys are found as they appear', async () => {
  await s3.put('inbox/a', 'a');
  const found = await valuesOf((root) =>
    root.apply(watchFiles(at('inbox/*'), { interval: 100, stopAfter: 300, stores })),
  );
  assert.deepEqual(found, [at('inbox/a')]);
});

test('a large output is whole when it appears, and what was written is what is read', async () => {
  const line = 'y'.repeat(1000);
  const lines = Array.from({ length: 20_000 }, (_, i) => `${i} ${line}`);
  const visible: string[][] = [];
  await run((root) => {
    root
      .apply(create(lines))
      .map(async (one) => {
        if (one.startsWith('19999 ')) visible.push(await s3.keys());
        return one;
      })
      .apply(writeToText(at('large/out'), { stores, numShards: 2 }));
  });
  assert.ok(!visible.flat().some((key) => key.startsWith('large/')));
  const keys = (await s3.keys()).filter((key) => key.startsWith('large/'));
  assert.deepEqual(keys, ['large/out-00000-of-00002', 'large/out-00001-of-00002']);
  assert.deepEqual((await linesOf(at('large/out-*'))).sort(), [...lines].sort());
  assert.deepEqual(await s3.openUploads(), []);
});

test('an empty output is an empty object', async () => {
  await run((root) => {
    root
      .apply(create(['a']))
      .filter(() => false)
      .apply(writeToText(at('empty/out'), { stores }));
  });
  assert.equal(await s3.get('empty/out-00000-of-00001'), '');
});

test('a run that fails leaves nothing, and replaces nothing', async () => {
  await s3.put('fails/old-00000-of-00001', 'of yesterday\n');
  await assert.rejects(
    run((root) => {
      root.apply(create(['a'])).apply(writeToText(at('fails/old'), { stores }));
      root.apply(create(['b'])).apply(writeToText(at('fails/new'), { stores }));
      root.apply(create([1])).map(async () => {
        while ((await s3.openUploads()).length < 2) await setTimeout(20);
        throw new Error('late');
      });
    }),
    { code: 'USER_CODE_FAILED' },
  );
  assert.equal(await s3.get('fails/old-00000-of-00001'), 'of yesterday\n');
  assert.deepEqual(
    (await s3.keys()).filter((key) => key.startsWith('fails/')),
    ['fails/old-00000-of-00001'],
  );
  assert.deepEqual(await s3.openUploads(), []);
});

test('when one file cannot appear, those before it are removed again', async () => {
  let completed = 0;
  s3.fault = (method, url) =>
    method === 'POST' && url.includes('uploadId') && ++completed > 1
      ? { status: 403, code: 'AccessDenied' }
      : undefined;
  await assert.rejects(
    run((root) => {
      root.apply(create(['a', 'b'])).apply(writeToText(at('half/out'), { stores, numShards: 2 }));
    }),
    { code: 'OUTPUT_NOT_WRITABLE' },
  );
  assert.deepEqual(
    (await s3.keys()).filter((key) => key.startsWith('half/')),
    [],
  );
  assert.deepEqual(await s3.openUploads(), []);
});

test('two runs at the same time may write the same names: the later ones stay', async () => {
  await Promise.all(
    ['a', 'b'].map((text) =>
      run((root) => {
        root.apply(create([text])).apply(writeToText(at('both/out'), { stores }));
      }),
    ),
  );
  assert.match(await s3.get('both/out-00000-of-00001'), /^[ab]\n$/);
  assert.deepEqual(await s3.openUploads(), []);
});

test('Ctrl-C leaves no output and no upload', async () => {
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
  while (!s3.requests.some((one) => one.includes('partNumber='))) await setTimeout(50);
  child.kill('SIGINT');
  const { signal } = await child;
  assert.equal(signal, 'SIGINT');
  assert.deepEqual(await s3.openUploads(), []);
  assert.deepEqual(
    (await s3.keys()).filter((key) => key.startsWith('stopped/')),
    [],
  );
});

test('what cannot be put back is told', async () => {
  await s3.put('again/out-00000-of-00002', 'of yesterday\n');
  s3.fault = (method, url) =>
    method === 'POST' && url.includes('uploadId') && url.includes('00001-of')
      ? { status: 403, code: 'AccessDenied' }
      : undefined;
  await assert.rejects(
    run((root) => {
      root.apply(create(['a', 'b'])).apply(writeToText(at('again/out'), { stores, numShards: 2 }));
    }),
    { code: 'OUTPUT_NOT_WRITABLE', message: /1 of the output's files are there already/ },
  );
});

test('parts of other machines lie under hidden names, and are gone with the run', async () => {
  const output = {
    prefix: at('far/out'),
    stores,
    suffix: '',
    template: '-SSSSS-of-NNNNN',
    shards: undefined,
    maxRecords: undefined,
    maxBytes: undefined,
    format: textFormat({ header: 'h\n', footer: '', lineEnd: '\n' }, false),
  };
  const write = async (outputs: Outputs, temporary: string, name: string, text: string) => {
    const folder = await outputs.partFolder(temporary);
    const writer = await output.format.begin(join(folder, name), 1);
    await writer.append(text);
    const { bytes } = await writer.close();
    const path = await outputs.keepPart(temporary, writer.path);
    return { path, bytes, records: 1, textBytes: 0, shard: 0 };
  };
  const outputs = outputsFor(output.prefix, stores);
  const temporary = await makeTemporary(output, false, 'mark');
  const parts = [
    await write(outputs, temporary, 'part-1', 'a'),
    await write(outputs, temporary, 'part-2', 'b'),
  ];
  // A bundle that failed afterwards, and is tried again.
  await write(outputs, temporary, 'part-3', 'lost');
  await assert.rejects(linesOf(at('far/**')), { code: 'FILE_NOT_FOUND' });
  // The last step may be repeated.
  await completeOutput(output, temporary, parts);
  await placeOutputs([await completeOutput(output, temporary, parts)]);
  const far = async () => (await s3.keys()).filter((key) => key.startsWith('far/'));
  assert.deepEqual(await far(), ['far/out-00000-of-00001']);
  assert.equal(await s3.get('far/out-00000-of-00001'), 'h\na\nb\n');
  await write(outputs, await makeTemporary(output, false, 'mark'), 'part-4', 'left');
  const others = await makeTemporary(output, false, 'other');
  await write(outputs, others, 'part-5', 'of another run');
  await removeMarked(output, 'mark');
  assert.deepEqual(await far(), [
    `${others.slice(at('').length)}/part-5`,
    'far/out-00000-of-00001',
  ]);
  await removeTemporary(output, others);
  assert.deepEqual(await s3.openUploads(), []);
});

test('a package that is not there is named, with how to install it', async () => {
  await assert.rejects(loadPackage('@nobody/has-this', 'files of s3://'), {
    code: 'PACKAGE_NOT_FOUND',
    message: /files of s3:\/\/ need the package @nobody\/has-this/,
    hint: /npm install @nobody\/has-this/,
  });
});

test('credentials are no options', () => {
  const s3 = { accessKeyId: 'A' } as never;
  assert.throws(() => readFromText(at('x'), { stores: { s3 } }), {
    code: 'INVALID_ARGUMENT',
    hint: /environment/,
  });
  assert.throws(() => readFromText('s3://bucket'), { code: 'INVALID_ARGUMENT' });
});

test('destinations and the panes of a stream are objects that appear whole, and leave nothing else', async () => {
  const lines = manyLines(200);
  const destination = (line: string) => `kind=${line.slice(0, 1)}/part`;
  await run((root) => {
    root.apply(create(lines)).apply(writeToText(at('apart/'), { stores, destination }));
  });
  const batch = (await s3.keys()).filter((key) => key.startsWith('apart/'));
  assert.deepEqual(
    batch.sort(),
    Array.from({ length: 10 }, (_, i) => `apart/kind=${i}/part-00000-of-00001`),
  );
  assert.deepEqual((await linesOf(at('apart/*/*'))).sort(), [...lines].sort());

  const rows = row({ line: string });
  for (let turn = 0; turn < 2; turn++) {
    const paths: string[] = [];
    await run((root) => {
      const { filesWritten } = root
        .apply(
          testStream(rows)
            .addElements(...lines.map((line, i) => timestamped({ line }, i * 1000)))
            .advanceWatermarkToInfinity(),
        )
        .apply(windowInto(fixedWindows(60)))
        .apply(
          writeToJson(at('panes/'), {
            stores,
            schema: rows,
            windowed: true,
            numShards: 2,
            fileNameSuffix: '.jsonl.gz',
            destination: ({ line }) => destination(line),
          }),
        );
      filesWritten.map((path) => void paths.push(path));
    });
    const keys = (await s3.keys()).filter((key) => key.startsWith('panes/'));
    assert.deepEqual(paths.sort(), keys.map(at).sort());
    assert.match(keys[0]!, /^panes\/kind=0\/part-19700101T00\d{4}Z-.*-of-00002\.jsonl\.gz$/);
    const read = await valuesOf((root) =>
      root.apply(readFromJson(at('panes/**/*.gz'), { schema: rows, stores })),
    );
    assert.deepEqual(read.map(({ line }) => line).sort(), [...lines].sort());
  }
  assert.deepEqual(await s3.openUploads(), []);
});

test('a pane that the service refuses fails the run, and leaves no upload', async () => {
  s3.fault = always('PUT', 'refused/', { status: 403, code: 'AccessDenied' });
  await assert.rejects(
    run((root) => {
      root
        .apply(testStream(string).addElements('a', 'b').advanceWatermarkToInfinity())
        .apply(windowInto(fixedWindows(60)))
        .apply(
          writeToText(at('refused/'), { stores, windowed: true, destination: (line) => line }),
        );
    }),
    { code: 'OUTPUT_NOT_WRITABLE' },
  );
  s3.fault = undefined;
  assert.deepEqual(
    (await s3.keys()).filter((key) => key.startsWith('refused/')),
    [],
  );
  assert.deepEqual(await s3.openUploads(), []);
});
