// SPDX-License-Identifier: Apache-2.0
// Who listens for a host's end hears of it, once, however late.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { type Host, onHostExit } from '../../../src/services/index.ts';

test('listeners hear of the end of a host, also when it is over, unless they took it back', async () => {
  let end = () => {};
  const exited = new Promise<void>((resolve) => {
    end = resolve;
  });
  const host = { exited } as unknown as Host;
  const heard: string[] = [];
  onHostExit(host, () => heard.push('before'));
  onHostExit(host, () => heard.push('never'))();
  await turn();
  assert.equal(heard.length, 0);
  end();
  await turn();
  assert.equal(heard.join(), 'before');
  onHostExit(host, () => heard.push('after'));
  onHostExit(host, () => heard.push('never'))();
  await turn();
  assert.equal(heard.join(), 'before,after');
});
