// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BeamBridgeError } from '../../../src/base/index.ts';
import { elementCount } from '../../../src/harness/engine/metrics.ts';
import { SideInputCache } from '../../../src/harness/engine/side-input-cache.ts';
import { Descriptors } from '../../../src/harness/worker/descriptors.ts';
import { Failures } from '../../../src/harness/worker/failures.ts';
import { RecentSet } from '../../../src/harness/worker/recent-set.ts';
import { ShortIds } from '../../../src/harness/worker/short-ids.ts';
import { create, fn } from '../../../src/proto/index.ts';

test('a short id stands for the same metric every time and can be asked about', () => {
  const ids = new ShortIds();
  const [first] = Object.entries(ids.data([elementCount('pc1', 3)]));
  const [again] = Object.entries(ids.data([elementCount('pc1', 5)]));
  const [other] = Object.entries(ids.data([elementCount('pc2', 5)]));
  assert.equal(first![0], again![0]);
  assert.notEqual(first![0], other![0]);
  assert.deepEqual([...first![1]], [3]);
  const described = ids.describe([first![0], 'never given out']);
  assert.deepEqual(described, {
    [first![0]]: {
      urn: 'beam:metric:element_count:v1',
      type: 'beam:metrics:sum_int64:v1',
      labels: { PCOLLECTION: 'pc1' },
    },
  });
});

test('a failure is found again by the text that went to the runner, wherever that turns up', () => {
  const failures = new Failures();
  const cause = new RangeError('boom');
  const { error, text } = failures.add(new BeamBridgeError('USER_CODE_FAILED', 'boom', { cause }));
  assert.match(text, /^BeamBridgeError: boom \[USER_CODE_FAILED\]/);
  const found = failures.find(`Traceback (most recent call last):\n  RuntimeError: ${text}\n`);
  assert.equal(found, error);
  assert.equal(found?.cause, cause);
  assert.equal(failures.find('something else'), undefined);
});

test('only the latest failures are kept', () => {
  const failures = new Failures();
  for (let i = 0; i < 150; i++) failures.add(new TypeError(String(i)));
  assert.equal(failures.list().length, 100);
  assert.equal(failures.list().at(-1)?.shortMessage, '149');
});

test('a recent set forgets its oldest members', () => {
  const set = new RecentSet(2);
  for (const member of ['a', 'b', 'c']) set.add(member);
  assert.deepEqual(
    ['a', 'b', 'c'].map((m) => set.has(m)),
    [false, true, true],
  );
});

test('the side input cache keeps what was used last within its bytes', () => {
  const cache = new SideInputCache(10_000);
  cache.set('a', '1', { value: 'A', bytes: 4000 });
  cache.set('b', '1', { value: 'B', bytes: 4000 });
  cache.get('a', '1');
  cache.set('c', '1', { value: 'C', bytes: 4000 });
  assert.equal(cache.get('b', '1'), undefined);
  assert.equal(cache.get('a', '1')?.value, 'A');
  const { bytes } = cache;
  assert.ok(bytes >= 8000 && bytes <= 10_000);
  cache.set('huge', '1', { value: 'H', bytes: 10_001 });
  assert.equal(cache.get('huge', '1'), undefined);
  assert.equal(cache.bytes, bytes);
});

test('the side input cache counts what entries take besides their values', () => {
  const cache = new SideInputCache(100_000);
  for (let i = 0; i < 10_000; i++) cache.set(`${i}`, '1', { value: i, bytes: 1 });
  const kept = Array.from({ length: 10_000 }, (_, i) => cache.get(`${i}`, '1')).filter(Boolean);
  assert.ok(kept.length > 0 && kept.length < 1000, `${kept.length} are kept`);
});

test('the side input cache keeps nothing of contents that were replaced', () => {
  const cache = new SideInputCache(1_000_000);
  cache.set('other', '0', { value: 'O', bytes: 100 });
  cache.set('side', '0', { value: 'S0', bytes: 1000 });
  const { bytes } = cache;
  for (let version = 1; version < 80; version++) {
    assert.equal(cache.get('side', `${version}`), undefined);
    assert.ok(cache.bytes < bytes, 'the old ones are gone before the new ones are read');
    cache.set('side', `${version}`, { value: `S${version}`, bytes: 1000 });
    assert.equal(cache.bytes, bytes);
  }
  assert.equal(cache.get('side', '79')?.value, 'S79');
  assert.equal(cache.get('other', '0')?.value, 'O');
});

test('a descriptor is fetched once, and again after a failure', async () => {
  let fetches = 0;
  const descriptors = new Descriptors(async (id) => {
    fetches += 1;
    if (fetches === 1) throw new TypeError('not yet');
    return create(fn.ProcessBundleDescriptorSchema, { id });
  });
  await assert.rejects(descriptors.get('d'), { code: 'HARNESS_PROTOCOL', message: /not yet/ });
  const [one, two] = await Promise.all([descriptors.get('d'), descriptors.get('d')]);
  assert.equal(one, two);
  assert.equal(fetches, 2);
});
