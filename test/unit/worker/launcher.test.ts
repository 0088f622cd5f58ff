// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ownCommand } from '../../../src/worker/launcher.ts';

test('the command is this Node with the loaders of this program, and no other flags', () => {
  const command = ownCommand(['--test', '--import', 'tsx', '--inspect=0', '-r', 'tsx/cjs']);
  assert.equal(command[0], process.execPath);
  assert.equal(command[1], '--import');
  // Where a worker runs, the name alone would mean another file.
  assert.ok(existsSync(fileURLToPath(command[2]!)), command[2]);
  assert.equal(command[3], '-r');
  assert.ok(existsSync(command[4]!), command[4]);
  assert.match(command[5]!, /cli[\\/]main\.ts$/);
  assert.equal(command.length, 6);
});
