// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { packageVersion } from '../../../src/base/index.ts';
import { type ImageOptions, workerImage } from '../../../src/worker/index.ts';

const IMAGES: readonly ImageOptions[] = [
  {},
  { base: 'registry.example:5000/team/node@sha256:ab' },
  { language: 'python' },
  {
    language: 'python',
    python: '3.11',
    extras: ['sklearn', 'onnx'],
    packages: ['a==1', 'b[c]>=2'],
  },
];

/** The instructions of a Dockerfile, each in one line. */
function instructions(text: string): [name: string, rest: string][] {
  return text
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]);
}

test('images keep to what linters of Dockerfiles ask for', async () => {
  for (const options of IMAGES) {
    const text = await workerImage(options);
    const all = instructions(text);
    const of = (wanted: string) => all.filter(([name]) => name === wanted).map(([, rest]) => rest);
    for (const from of of('FROM')) assert.match(from, /[:@]\S/, 'a base has a version');
    for (const folder of of('WORKDIR')) assert.match(folder, /^\//);
    for (const run of of('RUN')) assert.doesNotMatch(run, /(?:^|\s)(?:sudo|cd|apt-get)\s|\|(?!\|)/);
    assert.ok(Number(of('USER').at(-1)) > 0, 'workers are not root');
    assert.equal(of('ENTRYPOINT').length, 1);
    assert.ok(Array.isArray(JSON.parse(of('ENTRYPOINT')[0]!)), 'signals reach the program itself');
    assert.deepEqual(of('ADD').concat(of('CMD')), []);
    // The context is one file.
    const own = of('COPY').filter((rest) => !rest.startsWith('--from='));
    assert.deepEqual(own, [`beambridge-${packageVersion()}.tgz ./`]);
  }
});

const hadolint = spawnSync('hadolint', ['--version']).status === 0;
test('hadolint has nothing to say', { skip: !hadolint && 'there is no hadolint' }, async () => {
  for (const options of IMAGES) {
    const input = await workerImage(options);
    const { status, stdout } = spawnSync('hadolint', ['-'], { input, encoding: 'utf8' });
    assert.deepEqual([status, stdout], [0, '']);
  }
});

test('the first lines are the commands that build it', async () => {
  const text = await workerImage(IMAGES[3]);
  assert.match(text, /^# +mkdir image && npm pack \.\/node_modules\/beambridge /m);
  assert.match(
    text,
    /npx beambridge worker image --print --language=python --python=3\.11 --extras=sklearn,onnx --package='a==1' --package='b\[c\]>=2' \\\n# +\| docker build/,
  );
});

test('Python’s image has the pinned packages by their hashes, and further ones within them', async () => {
  const runs = instructions(await workerImage(IMAGES[3])).filter(([name]) => name === 'RUN');
  const [, pinned, further] = runs.map(([, rest]) => rest);
  assert.match(pinned!, /--require-hashes --requirement \S+base\.txt --requirement \S+onnx\.txt/);
  assert.match(further!, /--constraint pins\.txt 'a==1' 'b\[c\]>=2'$/);
  const alone = await workerImage({ language: 'python', extras: ['vllm'] });
  assert.doesNotMatch(alone, /base\.txt/);
  assert.match(alone, /^FROM python:3\.12-slim/m);
});

test('images that cannot be are refused', async () => {
  const wrong: [ImageOptions, RegExp][] = [
    [{ language: 'java' }, /no workers of the language "java"/],
    [{ extras: ['sklearn'] }, /no Python in it/],
    [{ python: '3.12' }, /no Python in it/],
    [{ base: 'a b' }, /no name of an image/],
    [{ base: 'node\nRUN x' }, /no name of an image/],
    [{ language: 'python', python: '3.9' }, /none that apache-beam runs on/],
    [{ language: 'python', extras: ['nothing'] }, /no Python extra "nothing"/],
    [{ language: 'python', extras: ['vllm', 'sklearn'] }, /cannot be installed beside/],
    [{ language: 'python', packages: ['./mine'] }, /a file of this machine/],
    [{ language: 'python', packages: ['mine @ file:///mine'] }, /a file of this machine/],
    [{ language: 'python', packages: ['a\nUSER 0'] }, /is no Python package/],
  ];
  for (const [options, message] of wrong) {
    await assert.rejects(workerImage(options), { code: 'INVALID_ARGUMENT', message });
  }
});
