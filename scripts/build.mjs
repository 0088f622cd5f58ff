// SPDX-License-Identifier: Apache-2.0
// Bundles the sources into the JavaScript that is published: a file for each of package.json's entry
// points and a few chunks that they share. Hundreds of small files cost a program more time at its
// start than all of their code. Not minified, and other packages stay imports but for the one of many
// files that every program needs; its notices go beside. Declarations, which tsc wrote before, get the
// names of what is published.
//
//   node scripts/build.mjs [FOLDER]    FOLDER instead of dist

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire, SourceMap } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { build } from 'esbuild';

const root = resolve(import.meta.dirname, '..');
const outdir = resolve(process.argv[2] ?? join(root, 'dist'));
const { bin, exports } = createRequire(import.meta.url)('../package.json');

const published = [...Object.values(exports).map((entry) => entry.default), ...Object.values(bin)]
  // What threads of a program run is found by its name, and no entry point of the package.
  .concat('./dist/worker/thread-entry.js')
  .filter((path) => path !== undefined)
  .map((path) => path.replace(/^\.\/dist\/(.*)\.js$/, '$1'));

/** How a top-level function, arrow function or class begins in esbuild's output, and its name. */
const NAMED =
  /^(?:(?:async )?function\*? |var (?=\w+ = (?:class\b|(?:async )?(?:\w+|\([^()]*\)) =>)))(\w+)/;

/**
 * Names are seen: a transform is called after its class or function, and errors name classes. esbuild
 * gives a top-level name a number where two files of a chunk have the same, and puts an underscore
 * before a class's name inside of the class where the class mentions itself. The rule:
 *
 * - a class bears its name. The underscore is taken away again; two classes of one name are refused.
 * - a top-level function or arrow function is given its name back by a line at the end of its chunk.
 * - what is declared inside a function may come out with a number, so none of it may name a transform:
 *   give the transform a name, or write the function where it is passed.
 *
 * (esbuild's keepNames would name every closure again whenever it is made, which slows bundles down.)
 */
function keepNames(path, text, map) {
  const lines = text.split('\n');
  const restored = [];
  for (const [line, content] of lines.entries()) {
    const found = NAMED.exec(content);
    if (!found) continue;
    const [{ length: end }, name] = found;
    const { name: original = name, originalSource } = map.findEntry(line, end - name.length);
    if (original === name) continue;
    if (/ = class\b/.test(content)) {
      const source = relative(root, resolve(dirname(path), originalSource));
      throw new Error(
        `${source}: another class is named ${original} too. Rename one: published as ${name}, it would show.`,
      );
    }
    restored.push(
      `Object.defineProperty(${name}, "name", { value: "${original}", configurable: true });`,
    );
  }
  const classes = [...text.matchAll(/ = class _(\w+)/g)].map(([, name]) => name);
  let kept = [...lines, ...restored, ''].join('\n');
  for (const name of classes) kept = kept.replaceAll(new RegExp(`\\b_${name}\\b`, 'g'), name);
  return kept;
}

/**
 * Libraries that come in many small files, which cost a start more than their code: they are part of the bundle. One
 * that speaks to a network is none: what is mended there must reach programs by npm, without a version of ours.
 */
const BROUGHT = ['@bufbuild/protobuf'];

/** Leaves every other package an import. */
const others = {
  name: 'others',
  setup(builder) {
    builder.onResolve({ filter: /^[^./]/ }, ({ path }) =>
      BROUGHT.some((name) => path === name || path.startsWith(`${name}/`))
        ? undefined
        : { path, external: true },
    );
  },
};

/** The notices in front of the files of libraries that are part of the bundle. */
function noticesOf(inputs) {
  const brought = inputs.filter((path) =>
    BROUGHT.some((name) => path.includes(`node_modules/${name}/`)),
  );
  const heads = brought.map(
    (path) => /^(?:\/\/.*\n)*/.exec(readFileSync(resolve(root, path), 'utf8'))[0],
  );
  const texts = [...new Set(heads)].map((head) => head.replaceAll(/^\/\/ ?/gm, '')).filter(Boolean);
  return [`Parts of ${BROUGHT.join(', ')} are in this folder.`, ...texts].join('\n\n');
}

const { outputFiles, metafile } = await build({
  absWorkingDir: root,
  entryPoints: Object.fromEntries(published.map((name) => [name, `src/${name}.ts`])),
  outdir,
  chunkNames: 'chunks/[name]-[hash]',
  bundle: true,
  splitting: true,
  plugins: [others],
  platform: 'node',
  format: 'esm',
  target: 'node20',
  logLevel: 'warning',
  // Only for the names in it.
  sourcemap: 'external',
  write: false,
  metafile: true,
});

const texts = new Map(outputFiles.map(({ path, text }) => [path, text]));
for (const [path, text] of texts) {
  if (path.endsWith('.map')) continue;
  const named = keepNames(path, text, new SourceMap(JSON.parse(texts.get(`${path}.map`))));
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, named, { mode: text.startsWith('#!') ? 0o755 : 0o644 });
}

writeFileSync(join(outdir, 'NOTICES.txt'), noticesOf(Object.keys(metafile.inputs)));

// tsc leaves './x.ts' in declarations, which TypeScript before 5.7 takes for an error.
for (const name of existsSync(outdir) ? readdirSync(outdir, { recursive: true }) : []) {
  if (!name.endsWith('.d.ts')) continue;
  const path = join(outdir, name);
  const text = readFileSync(path, 'utf8');
  const published = text.replaceAll(
    /((?:from|import\() ?['"]\.{1,2}\/[^'"]+)\.ts(?=['"])/g,
    '$1.js',
  );
  if (published !== text) writeFileSync(path, published);
}
