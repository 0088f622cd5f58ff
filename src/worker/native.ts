// SPDX-License-Identifier: Apache-2.0
// Packages with native code. A bundle is one text: it cannot hold a library for some machine's processor,
// and a program that looks for one beside itself would find out about that on the worker only.

/** Packages that load native code in ways which a bundler does not see. */
const KNOWN: readonly string[] = [
  '@confluentinc/kafka-javascript',
  '@duckdb/node-api',
  '@duckdb/node-bindings',
  '@tensorflow/tfjs-node',
  '@tensorflow/tfjs-node-gpu',
  'argon2',
  'bcrypt',
  'better-sqlite3',
  'canvas',
  'classic-level',
  'duckdb',
  'faiss-node',
  'leveldown',
  'lmdb',
  'node-llama-cpp',
  'node-rdkafka',
  'onnxruntime-node',
  're2',
  'sharp',
  'snappy',
  'sqlite3',
  'tree-sitter',
  'zeromq',
];

/** Packages whose only use is to find native code. */
const FINDERS: readonly string[] = [
  '@mapbox/node-pre-gyp',
  'bindings',
  'node-gyp-build',
  'node-gyp-build-optional-packages',
  'node-pre-gyp',
  'pkg-prebuilds',
];

/** The package of an import such as `@scope/name/part`; undefined for a path. */
export function packageOf(specifier: string): string | undefined {
  if (/^(?:[./#]|[a-z]+:|[A-Za-z]:\\)/.test(specifier)) return undefined;
  const parts = specifier.split('/');
  return parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
}

/** The package that a file below a `node_modules` belongs to. */
export function packageOfFile(path: string): string | undefined {
  const inside = path.split(/[\\/]node_modules[\\/]/);
  return inside.length > 1 ? packageOf(inside.at(-1)!.replaceAll('\\', '/')) : undefined;
}

/**
 * The package with native code that an import brings in, if it does.
 *
 * @param importer - path of the file that has the import
 */
export function nativePackage(specifier: string, importer: string): string | undefined {
  const name = packageOf(specifier);
  if (name !== undefined && KNOWN.includes(name)) return name;
  if (name !== undefined && FINDERS.includes(name)) return packageOfFile(importer) ?? name;
  if (specifier.endsWith('.node')) return packageOfFile(importer) ?? name ?? specifier;
  return undefined;
}
