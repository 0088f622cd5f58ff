// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UserStateStore } from '../../../../src/runners/node/engine/user-state.ts';

/** A window is one byte, its last instant. */
const newStore = () => new UserStateStore(([last]) => last!);

const keyOf = (key: string, window = 9, userStateId = 's') => ({
  transformId: 't',
  userStateId,
  window: Uint8Array.of(window),
  key: Buffer.from(key),
});

type Layer = ReturnType<UserStateStore['layer']>;

async function read({ state }: Layer, key: ReturnType<typeof keyOf>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of state.read(key)) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

const append = ({ state }: Layer, key: ReturnType<typeof keyOf>, text: string) =>
  state.append(key, Buffer.from(text));

describe('states of a stage', () => {
  it('are written by a bundle when it has succeeded, and not before', async () => {
    const store = newStore();
    const failed = store.layer();
    await append(failed, keyOf('k'), 'lost');
    assert.equal(await read(failed, keyOf('k')), 'lost');
    const layer = store.layer();
    await append(layer, keyOf('k'), 'a');
    await append(layer, keyOf('k'), 'b');
    layer.commit();
    const next = store.layer();
    assert.equal(await read(next, keyOf('k')), 'ab');
    await next.state.clear(keyOf('k'));
    assert.equal(await read(next, keyOf('k')), '');
    assert.equal(await read(store.layer(), keyOf('k')), 'ab');
    await append(next, keyOf('k'), 'c');
    next.commit();
    assert.equal(await read(store.layer(), keyOf('k')), 'c');
  });

  it('are apart by state, key and window', async () => {
    const store = newStore();
    const layer = store.layer();
    const keys = [keyOf('k'), keyOf('l'), keyOf('k', 10), keyOf('k', 9, 'other')];
    for (const [i, key] of keys.entries()) await append(layer, key, String(i));
    layer.commit();
    assert.equal(store.size, 4);
    for (const [i, key] of keys.entries()) assert.equal(await read(store.layer(), key), String(i));
  });

  it('take no room when they are empty', async () => {
    const store = newStore();
    const layer = store.layer();
    await append(layer, keyOf('k'), 'a');
    layer.commit();
    const next = store.layer();
    await next.state.clear(keyOf('k'));
    await next.state.clear(keyOf('never written'));
    next.commit();
    assert.equal(store.size, 0);
  });

  it('are forgotten when their windows are over', async () => {
    const store = newStore();
    const layer = store.layer();
    for (const window of [30, 10, 20]) await append(layer, keyOf('k', window), 'a');
    layer.commit();
    store.expire(20);
    assert.equal(store.size, 2);
    store.expire(21);
    assert.equal(store.size, 1);
    assert.equal(await read(store.layer(), keyOf('k', 20)), '');
    assert.equal(await read(store.layer(), keyOf('k', 30)), 'a');
  });

  it('of many small pieces are kept as few', async () => {
    const store = newStore();
    for (let i = 0; i < 100; i++) {
      const layer = store.layer();
      await append(layer, keyOf('k'), 'x');
      layer.commit();
    }
    let chunks = 0;
    for await (const _ of store.layer().state.read(keyOf('k'))) chunks += 1;
    assert.ok(chunks <= 17, `${chunks} pieces`);
    assert.equal((await read(store.layer(), keyOf('k'))).length, 100);
  });
});
