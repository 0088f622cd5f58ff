// SPDX-License-Identifier: Apache-2.0
// Files to lines, in ranges that are cut anywhere.

import assert from 'node:assert/strict';
import {
  existsSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { BeamBridgeError, mapSome } from '../../../src/base/index.ts';
import {
  type FileRange,
  type FindOptions,
  rangesOf,
  rangesOfAll,
} from '../../../src/io/text/find-files.ts';
import { LineSplitter, type TextEncoding } from '../../../src/io/text/line-splitter.ts';
import { readLines } from '../../../src/io/text/read-lines.ts';
import { file, scratch } from './scratch.ts';

/** Made up by the system as it is read. */
const MADE_UP = '/proc/self/limits';

const DEFAULTS: FindOptions & { encoding: TextEncoding } = {
  compression: 'auto',
  skipHeaderLines: 0,
  splitBytes: 64 * 1024 * 1024,
  allowEmptyMatch: false,
  encoding: 'utf8',
};

/** All lines of a file, range by range. */
async function linesOf(path: string, options: Partial<typeof DEFAULTS> = {}): Promise<string[]> {
  const all = { ...DEFAULTS, ...options };
  const lines: string[] = [];
  for (const range of await rangesOf(path, all)) {
    for await (const batch of readLines(range, all)) lines.push(...batch);
  }
  return lines;
}

/** What the lines of a text are, said in the simplest way. */
function expected(text: string): string[] {
  const lines = text
    .split('\n')
    .map((line, i, all) => (i < all.length - 1 ? line.replace(/\r$/, '') : line));
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

test('lines end with LF or CR LF, the last one with the file', async () => {
  assert.deepEqual(await linesOf(file('a', 'one\r\ntwo\n\nfour')), ['one', 'two', '', 'four']);
  assert.deepEqual(await linesOf(file('b', 'one\n')), ['one']);
  assert.deepEqual(await linesOf(file('c', 'a\rb\r\r\n')), ['a\rb\r']);
});

test('an empty file has no lines, one with only a newline has one', async () => {
  assert.deepEqual(await linesOf(file('empty', '')), []);
  assert.deepEqual(await linesOf(file('newline', '\n')), ['']);
});

test('a file that does not say how large it is is read to its end', {
  skip: !existsSync(MADE_UP),
}, async () => {
  const told = expected(readFileSync(MADE_UP, 'utf8'));
  assert.equal(statSync(MADE_UP).size, 0);
  assert.deepEqual(await linesOf(MADE_UP), told);
  assert.deepEqual(await linesOf(MADE_UP, { skipHeaderLines: 1, splitBytes: 1 }), told.slice(1));
});

test('text in UTF-16 is refused as what it is, and other text that is not UTF-8 as before', async () => {
  const hintOf = async (bytes: Uint8Array, options: Partial<typeof DEFAULTS> = {}) => {
    const refused = await linesOf(file('other', bytes), options).catch(
      (error: BeamBridgeError) => error,
    );
    assert.ok(refused instanceof BeamBridgeError && refused.code === 'MALFORMED_DATA');
    return refused.hint!;
  };
  const utf16 = Buffer.from('\ufeffab\ncd\n', 'utf16le');
  assert.match(await hintOf(utf16), /iconv -f UTF-16/);
  assert.match(await hintOf(Buffer.from(utf16).swap16()), /iconv -f UTF-16/);
  assert.match(await hintOf(Buffer.from('stra\u00dfe, und mehr\n', 'utf16le')), /iconv -f UTF-16/);
  assert.match(await hintOf(Buffer.from('stra\u00dfe\n', 'latin1')), /encoding: 'latin1'/);
  assert.match(await hintOf(gzipSync('a\nb\n')), /compression: 'gzip'/);
  // What the file is its first bytes tell, not those of a line behind its header, or of a later range.
  const noise = Buffer.alloc(5000, 'one ß\n\0', 'latin1');
  const zipped = Buffer.concat([Buffer.from([0x1f, 0x8b, 8, 10]), noise]);
  assert.match(await hintOf(zipped, { skipHeaderLines: 1 }), /compression: 'gzip'/);
  assert.match(await hintOf(zipped, { splitBytes: 700 }), /compression: 'gzip'/);
  const line = Buffer.from('good\n\x1f\x8b\xff\n', 'latin1');
  assert.match(await hintOf(line), /encoding: 'latin1'/);
  assert.match(await hintOf(Buffer.from('BZhagel, stra\xdfe\n', 'latin1')), /encoding: 'latin1'/);
  assert.match(await hintOf(Buffer.from('BZh91AY&SY\xff\n', 'latin1')), /compression: 'bzip2'/);
  assert.match(await hintOf(Buffer.from('PAR1\x15\xff\n', 'latin1')), /readFromParquet/);
  assert.match(await hintOf(Buffer.from('ARROW1\0\0\xff\n', 'latin1')), /readFromArrow/);
  assert.match(await hintOf(Buffer.from('Obj\x01\x04\xff\n', 'latin1')), /readFromAvro/);
});

test('ranges that cover a file give each line once, in order, wherever they are cut', async () => {
  let n = 0;
  await fc.assert(
    fc.asyncProperty(
      fc
        .array(fc.constantFrom('a', 'ß', '世', '🌍', '\n', '\r\n', '\r', ''))
        .map((p) => p.join('')),
      fc.integer({ min: 1, max: 12 }),
      async (text, splitBytes) => {
        const path = file(`property/${n++}`, text);
        assert.deepEqual(await linesOf(path, { splitBytes }), expected(text));
      },
    ),
    { numRuns: 200 },
  );
});

test('a line longer than the buffer and than several ranges comes whole', async () => {
  const long = 'x'.repeat(3_000_000);
  const path = file('long', `short\n${long}\nlast`);
  assert.deepEqual(await linesOf(path, { splitBytes: 400_000 }), ['short', long, 'last']);
  assert.deepEqual(await linesOf(path), ['short', long, 'last']);
});

test('text whose characters are cut between two reads stays whole', async () => {
  const line = `${'a'.repeat(1_048_575)}ß`;
  assert.deepEqual(await linesOf(file('cut', `${line}\n${line}\n`)), [line, line]);
});

test('header lines are left out of each file, however it is cut', async () => {
  const path = file('header', 'h1\nh2\na\nb\n');
  for (const splitBytes of [1, 2, 3, 5, 100]) {
    assert.deepEqual(await linesOf(path, { skipHeaderLines: 2, splitBytes }), ['a', 'b']);
  }
  assert.deepEqual(await linesOf(path, { skipHeaderLines: 9 }), []);
  assert.deepEqual(await linesOf(file('one', 'only'), { skipHeaderLines: 1 }), []);
});

test('a byte order mark is left out', async () => {
  assert.deepEqual(await linesOf(file('bom', '\ufeffa\nb')), ['a', 'b']);
  assert.deepEqual(await linesOf(file('bom.gz', gzipSync('\ufeffa\nb'))), ['a', 'b']);
});

test('gzip files are read by name or by option, members one after the other', async () => {
  const members = Buffer.concat([gzipSync('h\na\n'), gzipSync('b\nc')]);
  const path = file('two.gz', members);
  assert.deepEqual(await linesOf(path, { skipHeaderLines: 1 }), ['a', 'b', 'c']);
  assert.deepEqual(await linesOf(file('two.txt', members), { compression: 'gzip' }), [
    'h',
    'a',
    'b',
    'c',
  ]);
  const large = Array.from({ length: 100_000 }, (_, i) => `line ${i}`);
  assert.deepEqual(await linesOf(file('large.gz', gzipSync(large.join('\n')))), large);
});

test('a gzip file that is cut, or none at all, is MALFORMED_DATA', async () => {
  const whole = gzipSync('some text that is long enough to be cut somewhere');
  await assert.rejects(linesOf(file('cut.gz', whole.subarray(0, 30))), { code: 'MALFORMED_DATA' });
  await assert.rejects(linesOf(file('plain.gz', 'plain text')), {
    code: 'MALFORMED_DATA',
    hint: /compression: 'none'/,
  });
});

test('text that is not UTF-8 is MALFORMED_DATA, unless it is read as latin1', async () => {
  const path = file('latin1', Buffer.from('Gr\xfc\xdfe\n', 'latin1'));
  await assert.rejects(linesOf(path), { code: 'MALFORMED_DATA', hint: /latin1/ });
  assert.deepEqual(await linesOf(path, { encoding: 'latin1' }), ['Grüße']);
});

test('another compression is refused by name', async () => {
  await assert.rejects(linesOf(file('a.xz', 'x')), { code: 'UNSUPPORTED', message: /\.xz/ });
  assert.deepEqual(await linesOf(file('b.xz', 'x'), { compression: 'none' }), ['x']);
});

test('a file that vanished is FILE_NOT_FOUND', async () => {
  await assert.rejects(linesOf(`${scratch}/vanished`), { code: 'FILE_NOT_FOUND' });
});

test('reading may stop early', async () => {
  const path = file('stop', 'a\n'.repeat(2_000_000));
  const [range] = await rangesOf(path, DEFAULTS);
  for await (const batch of readLines(range!, DEFAULTS)) {
    assert.ok(batch.length < 2_000_000);
    break;
  }
});

test('a splitter keeps nothing of a piece that is overwritten', () => {
  const splitter = new LineSplitter('-', 'utf8', Buffer.alloc(0));
  const piece = Buffer.from('a\nbc');
  assert.deepEqual(splitter.push(piece), ['a']);
  piece.fill('x');
  assert.deepEqual(splitter.push(Buffer.from('d\n')), ['bcd']);
  assert.deepEqual(splitter.end(), []);
});

test('a gzip file with zeros between its members gives all lines, an empty one gives none', async () => {
  const padded = Buffer.concat([gzipSync('a\nb'), Buffer.alloc(512), gzipSync('c\nd\n')]);
  assert.deepEqual(await linesOf(file('padded.gz', padded)), ['a', 'bc', 'd']);
  assert.deepEqual(await linesOf(file('empty.gz', '')), []);
});

const SMALL = { ...DEFAULTS, splitBytes: 300_000 };
const many = (name: string) => `${name}\n`.repeat(400_000);
const changes: Record<string, (path: string) => void> = {
  'is shortened at the end of a line': (path) => truncateSync(path, 400_000),
  'is emptied': (path) => truncateSync(path, 0),
  'is replaced by a shorter one': (path) => renameSync(file('newer', 'new\n'), path),
  'is replaced by one of the same size': (path) => renameSync(file('newer', many('b')), path),
  'is written over': (path) => writeFileSync(path, many('b')),
  grows: (path) => writeFileSync(path, 'more\n', { flag: 'a' }),
};

for (const [name, change] of Object.entries(changes)) {
  for (const ending of ['', '.gz']) {
    test(`a file${ending} that ${name} before or while it is read is IO_FAILED`, async () => {
      const contents = ending ? gzipSync(many('a'), { level: 0 }) : many('a');
      const early = file(`changed-early${ending}`, contents);
      const ranges = await rangesOf(early, DEFAULTS);
      change(early);
      await assert.rejects(readAll(ranges), {
        code: 'IO_FAILED',
        message: /changed-early.* was changed while it was read/,
      });
      const late = file(`changed-late${ending}`, contents);
      const read = readAll(await rangesOf(late, SMALL), () => change(late));
      // A file that is read in one go stays open, whatever gets its name.
      if (ending && name.startsWith('is replaced')) await read;
      else await assert.rejects(read, { code: 'IO_FAILED', message: /changed-late/ });
    });
  }
}

/** Reads all ranges, and does something after the first lines. */
async function readAll(ranges: readonly FileRange[], after = () => {}): Promise<void> {
  let change: (() => void) | undefined = after;
  for (const range of ranges) {
    for await (const _ of readLines(range, DEFAULTS)) {
      change?.();
      change = undefined;
    }
  }
}

test('files are cut for several workers, into parts that are neither tiny nor very many', async () => {
  const { splitBytes: _, ...unsaid } = DEFAULTS;
  const sizes = async (...bytes: number[]) => {
    const paths = bytes.map((size, i) => {
      const path = file(`sized-${i}`, '');
      truncateSync(path, size);
      return path;
    });
    const ranges = await rangesOfAll(paths, unsaid);
    return ranges.map(({ start, end }) => end - start);
  };
  const kib = 1024;
  assert.deepEqual(await sizes(12 * kib), [12 * kib]);
  // As a few hundred prompts have it.
  assert.deepEqual(await sizes(40 * kib), [16 * kib, 16 * kib, 8 * kib]);
  assert.equal((await sizes(32 * 1024 * kib)).length, 16);
  // Many files are parts already.
  assert.equal((await sizes(...new Array(40).fill(500 * kib))).length, 40);
  assert.deepEqual(new Set(await sizes(8 * 1024 ** 3)), new Set([64 * 1024 * kib]));
  assert.deepEqual(await sizes(0), []);
});

test('more files than there may be descriptors are listed', async () => {
  const path = file('listed', 'a\n');
  let open = 0;
  let most = 0;
  await mapSome(Array.from({ length: 5000 }), async () => {
    most = Math.max(most, ++open);
    await rangesOf(path, DEFAULTS);
    open -= 1;
  });
  assert.ok(most <= 64, `${most} at once`);
  assert.equal((await rangesOfAll(new Array(500).fill(path), DEFAULTS)).length, 500);
});
