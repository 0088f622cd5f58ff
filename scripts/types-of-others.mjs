// SPDX-License-Identifier: Apache-2.0
// Compiles a program against the built package with other compilers than ours and other settings: what
// docs/install.md promises. The compilers are fetched as packages and checked by their digests.
//
//   node scripts/types-of-others.mjs        after npm run build

import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const folder = join(root, '.cache/types-of-others');

/** Compilers by version, with the digest of their packages; ours comes with the project. */
const COMPILERS = {
  '5.4.5':
    'vcI4UpRgg81oIRUFwR0WSIHKt11nJ7SAVlYNIu+QpqeyXP+gpQJy/Z4+F0aGxSE4MqwjyXvW/TzgkLAx2AGHwQ==',
  '5.9.3':
    'jl1vZzPDinLr9eUt3J/t7V6FgNEw9QjvBPdysz9KfQDD41fQrC2Y4vKQdiaUpFT4bXlb1RHhLpp8wtm6M5TgSw==',
  ours: undefined,
};

/** Module settings, and the kind of file that each is about. */
const SETTINGS = [
  { module: 'nodenext', moduleResolution: 'nodenext', kind: 'module' },
  { module: 'esnext', moduleResolution: 'bundler', kind: 'module' },
  { module: 'node16', moduleResolution: 'node16', kind: 'module' },
  { module: 'commonjs', moduleResolution: 'node10', kind: 'commonjs' },
];

const PROGRAM = `
import { create, createRunner, groupBy, sum } from 'beambridge';
import { readFromText, writeToText } from 'beambridge/io';
import { RunInference, sklearn } from 'beambridge/ml';
import { array, int64 } from 'beambridge/schema';
import { TestPipeline } from 'beambridge/testing';

const digits = sklearn({ modelUri: 'digits.pkl', example: array(int64), inference: int64 });
export const test: unknown = TestPipeline;
export const done = createRunner({ runner: 'node' }).run((root) => {
  root.apply(create([{ k: 'a', v: 1 }])).apply(groupBy('k').combining('v', sum, 's')).map(({ k, s }) => k + s.toFixed());
  root
    .apply(readFromText('in.csv'))
    .map((line) => ({ key: 1, value: [line.length] }))
    .apply(RunInference.ofKVs(digits, int64))
    .map(({ key, value }) => \`\${key},\${value.inference.toFixed()}\`)
    .apply(writeToText('out'));
});
// The types are there: a number has no such method.
// @ts-expect-error
export const wrong = createRunner().run((root) => root.apply(create([1])).map((n) => n.toUpperCase()));
`;

function compiler(version, digest) {
  if (!digest) return join(root, 'node_modules/typescript/lib/tsc.js');
  const place = join(folder, `typescript-${version}`);
  if (!existsSync(join(place, 'package/lib/tsc.js'))) {
    mkdirSync(place, { recursive: true });
    const quiet = { cwd: place, stdio: 'pipe', encoding: 'utf8' };
    const file = execFileSync('npm', ['pack', '--silent', `typescript@${version}`], quiet).trim();
    const actual = createHash('sha512')
      .update(readFileSync(join(place, file)))
      .digest('base64');
    if (actual !== digest) throw new Error(`typescript@${version} has the digest ${actual}`);
    execFileSync('tar', ['-xzf', file], quiet);
    rmSync(join(place, file));
  }
  return join(place, 'package/lib/tsc.js');
}

for (const kind of ['module', 'commonjs']) {
  mkdirSync(join(folder, kind, 'node_modules'), { recursive: true });
  writeFileSync(
    join(folder, kind, 'package.json'),
    JSON.stringify({ name: 'program', type: kind }),
  );
  writeFileSync(join(folder, kind, 'main.ts'), PROGRAM);
  rmSync(join(folder, kind, 'node_modules/beambridge'), { force: true });
  symlinkSync(root, join(folder, kind, 'node_modules/beambridge'));
}
let failed = 0;
for (const [version, digest] of Object.entries(COMPILERS)) {
  const tsc = compiler(version, digest);
  // Typed arrays with a type of their buffer came with 5.7, and @bufbuild/protobuf declares them.
  const skipLibCheck = version.startsWith('5.4');
  for (const { module, moduleResolution, kind } of SETTINGS) {
    // Ours takes that setting for one of the past.
    if (moduleResolution === 'node10' && version === 'ours') continue;
    const options = {
      module,
      moduleResolution,
      skipLibCheck,
      target: 'es2022',
      lib: 'es2023,esnext.disposable',
    };
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, `${value}`]);
    if (version === 'ours') args.push('--ignoreConfig');
    const typeRoots = join(root, 'node_modules/@types');
    const { status, stdout } = spawnSync(
      process.execPath,
      [
        tsc,
        '--noEmit',
        '--strict',
        '--types',
        'node',
        '--typeRoots',
        typeRoots,
        ...args,
        'main.ts',
      ],
      { cwd: join(folder, kind), encoding: 'utf8' },
    );
    if (status === 0) continue;
    failed++;
    console.error(`TypeScript ${version}, ${module} and ${moduleResolution}:\n${stdout}`);
  }
}
if (failed > 0) process.exit(1);
console.log('types: TypeScript 5.4, 5.9 and ours, with nodenext, bundler, node16 and commonjs');
