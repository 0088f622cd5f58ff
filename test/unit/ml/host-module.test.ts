// SPDX-License-Identifier: Apache-2.0
// The modules that other expansion services are sent: all that they import of one another, in order.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { MODULES } from '../../../src/ml/python/host-module.ts';

const folder = resolve(import.meta.dirname, '../../../python-env/beambridge_host');

/** What a module imports of this package, as `room.module` or `module`. */
function importsOf(name: string): string[] {
  const text = readFileSync(join(folder, `${name.replaceAll('.', '/')}.py`), 'utf8');
  const pattern = /^from beambridge_host(?:\.([\w.]+))? import (\([^)]*\)|[^#\n]+)/gm;
  return [...text.matchAll(pattern)].flatMap(([, from = '', names = '']) => {
    if (from !== '' && readdirSync(folder).includes(`${from}.py`)) return [from];
    if (from.includes('.')) return [from];
    return [...names.matchAll(/\w+/g)].map(([each]) => (from === '' ? each : `${from}.${each}`));
  });
}

test('each comes behind those that it imports', () => {
  for (const [place, name] of MODULES.entries()) {
    for (const imported of importsOf(name)) {
      const at = MODULES.indexOf(imported);
      assert.ok(at >= 0 && at < place, `${name} needs ${imported} in front of it`);
    }
  }
});

test('handlers import nothing else', () => {
  for (const file of readdirSync(join(folder, 'handlers'))) {
    if (!/^[a-z]\w*\.py$/.test(file)) continue;
    for (const imported of importsOf(`handlers.${file.slice(0, -3)}`)) {
      assert.ok(MODULES.includes(imported), `${file} needs ${imported}`);
    }
  }
});
