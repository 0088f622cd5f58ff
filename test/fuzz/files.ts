// SPDX-License-Identifier: Apache-2.0
// Sources of random pipelines that are files: their rows are written by a pipeline of their own, in a format and in
// shards, and read again in parts of a few bytes. What a format has no values for is left to `create`.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BeamBridgeError } from '../../src/base/index.ts';
import {
  readFromAvro,
  readFromCsv,
  readFromJson,
  readFromParquet,
  writeToAvro,
  writeToCsv,
  writeToJson,
  writeToParquet,
} from '../../src/io/index.ts';
import type { PCollection, Root } from '../../src/pipeline/index.ts';
import { createRunner } from '../../src/runners/index.ts';
import type { RowType } from '../../src/schema/index.ts';
import { create } from '../../src/transforms/index.ts';
import type { PlanNode } from './plan.ts';
import type { FileSource } from './program.ts';
import { nthValue, schemaOf } from './types.ts';

type Rows = PCollection<unknown>;
type Schema = RowType<unknown>;

interface Format {
  write(rows: Rows, prefix: string, schema: Schema, source: FileSource): unknown;
  read(files: string, schema: Schema, source: FileSource): (root: Root) => Rows;
}

const FORMATS: Readonly<Record<FileSource['format'], Format>> = {
  csv: {
    write: (rows, prefix, schema, { numShards }) =>
      rows.apply(writeToCsv(prefix, { schema, numShards })),
    // An output that may hold newlines in its quotes is in one part.
    read: (files, schema) => (root) => root.apply(readFromCsv(files, { schema })),
  },
  json: {
    write: (rows, prefix, schema, { numShards }) =>
      rows.apply(writeToJson(prefix, { schema, numShards })),
    read:
      (files, schema, { splitBytes }) =>
      (root) =>
        root.apply(readFromJson(files, { schema, splitBytes })),
  },
  parquet: {
    write: (rows, prefix, schema, { numShards }) =>
      rows.apply(writeToParquet(prefix, { schema, numShards, rowGroupRows: 2 })),
    read:
      (files, schema, { splitBytes }) =>
      (root) =>
        root.apply(readFromParquet(files, { schema, splitBytes })),
  },
  avro: {
    write: (rows, prefix, schema, { numShards }) =>
      rows.apply(writeToAvro(prefix, { schema, numShards })),
    read:
      (files, schema, { splitBytes }) =>
      (root) =>
        root.apply(readFromAvro(files, { schema, splitBytes })),
  },
};

/** How sources that are files are read. */
export type Sources = ReadonlyMap<PlanNode, (root: Root) => Rows>;

/** Writes the sources of plans that are to be files. Whoever has read them removes them. */
export async function writeSources(
  plans: readonly (readonly PlanNode[])[],
): Promise<{ sources: Sources; remove(): void }> {
  const sources = new Map<PlanNode, (root: Root) => Rows>();
  const nodes = plans.flat().filter(({ source, facts }) => {
    if (!source?.file) return false;
    // A column of Parquet has one scale for all of its decimals.
    return !(source.file.format === 'parquet' && JSON.stringify(facts.type).includes('decimal'));
  });
  if (nodes.length === 0) return { sources, remove() {} };
  const folder = mkdtempSync(join(tmpdir(), 'beambridge-fuzz-'));
  await Promise.all(
    nodes.map(async (node, index) => {
      const { file, numbers } = node.source!;
      const schema = schemaOf(node.facts.type) as Schema;
      const values = numbers.map((n) => nthValue(node.facts.type, n));
      const { write, read } = FORMATS[file!.format];
      const prefix = join(folder, `s${index}`);
      try {
        const reader = read(`${prefix}-*`, schema, file!);
        await createRunner({ progress: false }).run((root) => {
          write(root.apply(create<unknown>(values, { schema })), prefix, schema, file!);
        });
        sources.set(node, reader);
      } catch (error) {
        if (!(error instanceof BeamBridgeError) || !REFUSED.has(error.code)) throw error;
      }
    }),
  );
  return { sources, remove: () => rmSync(folder, { recursive: true }) };
}

/** What is said of types that a format has no values for. */
const REFUSED: ReadonlySet<string> = new Set(['INVALID_SCHEMA', 'INVALID_ARGUMENT']);
