// SPDX-License-Identifier: Apache-2.0
// A type for an Avro file, to begin with: what its schema says, as the text of a program.

import { BeamBridgeError, checkOptionNames, type OptionNames } from '../base/index.ts';
import { FileBytes, headerOf } from './avro/container.ts';
import { declaredRow } from './avro/infer.ts';
import { told } from './avro/schema.ts';
import { readError } from './file-error.ts';
import { declaration } from './records/program-text.ts';
import { checkStores, type StoreOptions } from './stores/options.ts';
import { openFile } from './stores/store-of.ts';
import { checkPattern, findFiles } from './text/patterns.ts';

/** Options of {@link inferAvroType}. */
export interface InferAvroOptions {
  /** Where stores such as `s3://` are, as far as the environment does not say it. */
  stores?: StoreOptions;
}

const OPTIONS: OptionNames<InferAvroOptions> = { stores: true };

/**
 * The text of a row type for an Avro file, to be looked at and pasted into a program: a field for each of its schema, all
 * digits of whole numbers kept (`bigint64` for a `long`, which may be declared `int64`). A field of which no type can be
 * declared, such as a union of several types, is a comment.
 *
 * @param pattern - a file, or a pattern of which the first file is taken
 * @throws `FILE_NOT_FOUND`, `IO_FAILED`, `MALFORMED_DATA` as {@link readFromAvro} does
 * @throws `HEADER_MISMATCH` for a file whose values are no records, or have no field that can be declared
 *
 * @example
 * ```ts
 * console.log(await inferAvroType('orders.avro'));
 * // import { bigint64, nullable, row, string } from 'beambridge/schema';
 * //
 * // const record = row({
 * //   id: bigint64,
 * //   note: nullable(string),
 * // });
 * ```
 */
export async function inferAvroType(
  pattern: string,
  options: InferAvroOptions = {},
): Promise<string> {
  const name = 'inferAvroType';
  checkOptionNames(name, options, OPTIONS);
  const { stores } = options;
  checkStores(name, stores);
  const [path] = await findFiles(checkPattern(pattern, stores), process.cwd(), false, stores);
  try {
    await using opened = await openFile({ path: path!, stores });
    const { size } = await opened.look();
    const { schema } = await headerOf(new FileBytes(opened, path!, size));
    const declared = schema.type === 'record' ? declaredRow(schema, '') : undefined;
    if (declared) return declaration(declared.names, declared.text);
    throw new BeamBridgeError(
      'HEADER_MISMATCH',
      `${path}: its values are ${told(schema)}, which no row type is declared for`,
    );
  } catch (error) {
    throw readError(error, path!);
  }
}
