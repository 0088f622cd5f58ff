// SPDX-License-Identifier: Apache-2.0
// Classes of ours that go into processes of Java: what is in the package is what their sources compile to.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { onPath } from '../helpers/engines.ts';

const skip = onPath('javac').length === 0 && 'there is no javac';
const folder = fileURLToPath(new URL('../../java-env/', import.meta.url));
const AGAIN = 'compile it again as the first lines of its source say';

/** What javac makes of classes of ours. */
function compiled(...names: string[]): Map<string, Buffer> {
  const made = mkdtempSync(path.join(tmpdir(), 'beambridge-test-'));
  try {
    const sources = names.map((name) => path.join(folder, 'beambridge', `${name}.java`));
    execFileSync('javac', ['--release', '11', '-g:none', '-d', made, ...sources]);
    return new Map(
      names.map((name) => [name, readFileSync(path.join(made, 'beambridge', `${name}.class`))]),
    );
  } finally {
    rmSync(made, { recursive: true });
  }
}

describe('classes of ours', { skip }, () => {
  test('the service of expansions', () => {
    const kept = readFileSync(path.join(folder, 'beambridge/ExpansionHost.class'));
    assert.ok(compiled('ExpansionHost').get('ExpansionHost')!.equals(kept), AGAIN);
  });

  test('the agent that keeps servers to the loopback address, whose jar holds them as they are', () => {
    const jar = readFileSync(path.join(folder, 'loopback.jar'));
    for (const [name, made] of compiled('LoopbackAgent', 'LoopbackAddress')) {
      assert.ok(jar.includes(made), `${name}: ${AGAIN}`);
    }
    assert.ok(jar.includes('Premain-Class: beambridge.LoopbackAgent'));
  });
});
