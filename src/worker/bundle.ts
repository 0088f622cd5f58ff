// SPDX-License-Identifier: Apache-2.0
// A program as one file, for workers that have none of it. This package is part of that file: whatever
// version a worker has, what runs is what was submitted, in one copy for the program and for what serves
// it. The worker's own version only fetches the file and loads it.

import { createHash } from 'node:crypto';
import { dirname, resolve, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type * as esbuild from 'esbuild';
import { BeamBridgeError, CODE_FOLDER, packagePath, packageVersion } from '../base/index.ts';
import type { Exported } from './exported.ts';
import { nativePackage } from './native.ts';

/** A program as one file. */
export interface Bundle {
  readonly text: Uint8Array;
  readonly sha256: string;
}

const ENTRY = 'beambridge:program';
/** Where this package looks for gRPC before it loads its own: src/proto/grpc.ts. */
const GRPC = "globalThis[Symbol.for('beambridge.grpc')]";

/** What to do about native code. */
export const NATIVE_REMEDY =
  "With workerProgram: 'package' the program travels as a package of npm's, and workers install what it depends on, native code too. Where they have the program and its packages under the same path, say workerProgram: 'module'. Else do this step before or after the pipeline, or with a package without native code.";

/**
 * Bundles the module with everything that it imports.
 *
 * @throws BeamBridgeError `NATIVE_PACKAGE`, `PROGRAM_NOT_BUNDLED`
 */
export async function bundleProgram({ moduleUrl, exportName }: Exported): Promise<Bundle> {
  const { build } = await loadEsbuild();
  const path = fileURLToPath(moduleUrl);
  const what = exportName === 'default' ? '{ default }' : '*';
  const natives = new Map<string, string>();
  try {
    const { outputFiles, metafile } = await build({
      stdin: {
        // gRPC is there before the program's own code runs, which may not come to its end.
        contents: `import 'beambridge:grpc';\nexport ${what} from ${JSON.stringify(path)};\n`,
        resolveDir: dirname(path),
        sourcefile: ENTRY,
        loader: 'js',
      },
      absWorkingDir: dirname(path),
      outfile: 'program.mjs',
      write: false,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      // Transforms are named after functions and classes, and workers find them by those names.
      keepNames: true,
      sourcemap: 'external',
      sourcesContent: false,
      // Packages in CommonJS ask for Node's own modules by a function that ES modules have not.
      banner: {
        js: `import { createRequire as beambridgeRequire } from 'node:module';\nconst require = beambridgeRequire(import.meta.url);\nconst ${AS_IT_IS} = (target) => target;`,
      },
      define: {
        'process.env.BEAMBRIDGE_BUNDLED_FROM': JSON.stringify(CODE_FOLDER),
        'process.env.BEAMBRIDGE_BUNDLED_VERSION': JSON.stringify(packageVersion()),
      },
      logLevel: 'silent',
      metafile: true,
      plugins: [ownParts(), refuseNative(natives)],
    });
    const [map, code] = outputFiles as [esbuild.OutputFile, esbuild.OutputFile];
    const own = Object.keys(metafile.inputs).filter((input) =>
      isOwn(resolve(dirname(path), input)),
    );
    const text = Buffer.from(
      `${withoutNames(code.text, metafile, own)}${inline(map.text, dirname(path))}`,
    );
    return { text, sha256: createHash('sha256').update(text).digest('hex') };
  } catch (error) {
    throw natives.size > 0 ? nativeError(natives, path) : bundleError(error, path);
  }
}

function isOwn(path: string): boolean {
  return path.startsWith(CODE_FOLDER + sep);
}

/** What esbuild's keepNames calls for each function, and what takes its place; as long, for the source map. */
const NAME = '__name';
const AS_IT_IS = '__same';

/**
 * The code with this package's closures as they are: to name each whenever it is made costs an eighth
 * of the time of simple stages. What is at the top level of its modules keeps its name, which transforms have.
 *
 * @param own - this package's files: a comment begins each module's code
 */
function withoutNames(code: string, { inputs }: esbuild.Metafile, own: readonly string[]): string {
  const ours = new Set(own);
  let inOurs = false;
  return code
    .split('\n')
    .map((line) => {
      const input = line.startsWith('// ') ? line.slice(3) : '';
      if (Object.hasOwn(inputs, input)) inOurs = ours.has(input);
      return inOurs && line.startsWith('  ') ? line.replaceAll(`${NAME}(`, `${AS_IT_IS}(`) : line;
    })
    .join('\n');
}

/** The map as a comment. The bundle will lie elsewhere, so that it names the sources by whole paths. */
function inline(map: string, folder: string): string {
  const parsed = JSON.parse(map) as { sources: string[] };
  const sources = parsed.sources.map((source) => pathToFileURL(resolve(folder, source)).href);
  const whole = Buffer.from(JSON.stringify({ ...parsed, sources })).toString('base64');
  return `//# sourceMappingURL=data:application/json;base64,${whole}\n`;
}

async function loadEsbuild(): Promise<typeof esbuild> {
  // A name that bundlers do not see: a program in a bundle makes none.
  const name = 'esbuild';
  try {
    return (await import(name)) as typeof esbuild;
  } catch (cause) {
    throw new BeamBridgeError(
      'PROGRAM_NOT_BUNDLED',
      'programs travel to workers as bundles that esbuild makes, and it is not installed',
      {
        cause,
        hint: "npm install esbuild. Where workers have the program under the same path, say workerProgram: 'module'.",
      },
    );
  }
}

/** gRPC as this package has it, which loads it by a function that bundlers do not follow. */
function ownParts(): esbuild.Plugin {
  return {
    name: 'beambridge-own',
    setup(build) {
      const namespace = 'beambridge';
      build.onResolve({ filter: /^beambridge:grpc$/ }, ({ path }) => ({ path, namespace }));
      build.onLoad({ filter: /.*/, namespace }, () => ({
        contents: `import * as grpc from '@grpc/grpc-js';\n${GRPC} = grpc;\n`,
        resolveDir: packagePath('.'),
      }));
    },
  };
}

/** Refuses native code; what this package itself imports of that is not looked for until it is used. */
function refuseNative(natives: Map<string, string>): esbuild.Plugin {
  return {
    name: 'beambridge-native',
    setup(build) {
      build.onResolve({ filter: /.*/ }, ({ path, importer }) => {
        const name = nativePackage(path, importer);
        if (name === undefined) return undefined;
        if (isOwn(importer)) return { path, external: true };
        natives.set(name, importer);
        return { errors: [{ text: `${name} has native code` }] };
      });
    },
  };
}

function nativeError(natives: ReadonlyMap<string, string>, path: string): BeamBridgeError {
  const names = [...natives.keys()].sort();
  return new BeamBridgeError(
    'NATIVE_PACKAGE',
    `${path} imports native code, which cannot travel in a bundle: ${names.join(', ')}`,
    {
      hint: NATIVE_REMEDY,
      detail: [...natives]
        .map(([name, importer]) => `${name} is imported by ${importer}`)
        .join('\n'),
    },
  );
}

function bundleError(error: unknown, path: string): BeamBridgeError {
  if (error instanceof BeamBridgeError) return error;
  const messages = (error as Partial<esbuild.BuildFailure>).errors ?? [];
  const detail = messages
    .map(({ text, location }) =>
      location ? `${location.file}:${location.line}:${location.column}: ${text}` : text,
    )
    .join('\n');
  return new BeamBridgeError('PROGRAM_NOT_BUNDLED', `${path} cannot be bundled for workers`, {
    cause: error,
    detail: detail || undefined,
    hint: 'All that the program imports by name is bundled: install what is missing, or import it only where it is there.',
  });
}
