// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { BeamBridgeError, getLogger, setLogLevel } from '../../../src/base/index.ts';

/** What is written to standard error meanwhile. */
function written(act: () => void): string {
  const { write } = process.stderr;
  let text = '';
  process.stderr.write = ((chunk: string) => {
    text += chunk;
    return true;
  }) as typeof write;
  try {
    act();
  } finally {
    process.stderr.write = write;
  }
  return text;
}

test('a message cannot pretend to be another line, nor speak to the terminal', () => {
  const log = getLogger('python');
  const evil =
    'worker \x1b[2J\x1b]0;title\x07\r[error] host: all is lost\n[error] host: so it is\u202e\u009b';
  assert.equal(
    written(() => log.warn(evil, 'and\n[error] this')),
    '[warn] python: worker \\x1b[2J\\x1b]0;title\\x07\\x0d[error] host: all is lost\n' +
      '    [error] host: so it is\\u202e\\x9b: and\n    [error] this\n',
  );
});

test('an error shows control characters of others as what they are', () => {
  const { message } = new BeamBridgeError('ENDPOINT_REFUSED', 'said \x1b[31mno\t!', {
    detail: 'a\nb\x9b',
  });
  assert.equal(message, 'said \\x1b[31mno\t! [ENDPOINT_REFUSED]\n  | a\n  | b\\x9b');
});

test('other text is left as it is', () => {
  const text = 'naïve 日本 🙂 \t tab\r';
  assert.match(
    written(() => getLogger('x').error(`${text}\nmore`)),
    /^\[error\] x: naïve 日本 🙂 \t tab\n {4}more\n$/,
  );
});

test('a level that is none is refused, and warned of where the environment names it', () => {
  assert.throws(() => setLogLevel('loud' as never), {
    code: 'INVALID_ARGUMENT',
    message: /no level "loud".*trace, debug, info, warn, error, silent/s,
  });
  const module = new URL('../../../src/base/log.ts', import.meta.url).href;
  const { stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '--eval', `import ${JSON.stringify(module)};`],
    { encoding: 'utf8', env: { ...process.env, BEAMBRIDGE_LOG: 'loud' } },
  );
  assert.match(stderr, /^\[warn\] log: BEAMBRIDGE_LOG=loud is no level: they are trace, /);
});
