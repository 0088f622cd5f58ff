// SPDX-License-Identifier: Apache-2.0
// Rows to files and back, on the node runner in this process: what tests of CSV, JSON and other formats have in common.

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { after } from 'node:test';
import { gunzipSync } from 'node:zlib';
import {
  BeamBridgeError,
  createRunner,
  type ErrorCode,
  type PCollection,
  type PTransformClass,
  type Root,
} from '../../src/index.ts';
import type { WrittenFiles } from '../../src/io/index.ts';
import type { RowType, SchemaType } from '../../src/schema/index.ts';
import { create } from '../../src/transforms/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'beambridge-rows-'));
after(() => rmSync(folder, { recursive: true, force: true }));
let next = 0;

/** The prefix of an output of its own, in a folder that goes when the tests are over. */
export function ownPrefix(): string {
  return join(folder, `output-${next++}`, 'out');
}

/** Files that a pipeline wrote, in the order of their names. */
export interface FilesOfRows {
  readonly prefix: string;
  readonly files: readonly string[];
}

/** Writes rows of a type. */
export async function writeRows<T>(
  rows: readonly T[],
  schema: RowType<T>,
  sink: (prefix: string) => (rows: PCollection<T>) => WrittenFiles,
): Promise<FilesOfRows> {
  const prefix = ownPrefix();
  await createRunner().run((root) => {
    root.apply(create<T>(rows as never, { schema })).apply(sink(prefix));
  });
  return { prefix, files: filesOf(prefix) };
}

/** The names of what lies beside a prefix, hidden files too. */
export function filesOf(prefix: string): string[] {
  return readdirSync(dirname(prefix)).sort();
}

/** The contents of files, those of gzip without their compression. */
export function textsOf({ prefix, files }: FilesOfRows): string[] {
  return files.map((name) => {
    const content = readFileSync(join(dirname(prefix), basename(name)));
    return (name.endsWith('.gz') ? gunzipSync(content) : content).toString();
  });
}

/** All that a source gives. */
export async function readRows<T>(source: PTransformClass<Root, PCollection<T>>): Promise<T[]> {
  const rows: T[] = [];
  await createRunner().run((root) => {
    root.apply(source).map((one) => void rows.push(one));
  });
  return rows;
}

/** Whether a sink that is made so is refused when the pipeline is built, by an error of this code and message. */
export function refusalOf(
  sink: (prefix: string, options: never) => (rows: PCollection<never>) => WrittenFiles,
) {
  return (
    code: ErrorCode,
    message: RegExp,
    schema: RowType | SchemaType | undefined,
    options = {},
  ) =>
    assert.rejects(
      createRunner().run((root) => {
        const rows = root.apply(create([] as never[], schema ? { schema: schema as never } : {}));
        rows.apply(sink(ownPrefix(), options as never));
      }),
      (error) => {
        assert.ok(error instanceof BeamBridgeError);
        assert.equal(error.code, code);
        assert.match(error.message, message);
        return true;
      },
    );
}
