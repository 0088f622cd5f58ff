// SPDX-License-Identifier: Apache-2.0
// The options that all writers of files share, and what is wrong with them.

import { BeamBridgeError, type OptionNames } from '../../base/index.ts';
import { describeValue } from '../../coders/index.ts';
import { checkStores, type StoreOptions } from '../stores/options.ts';
import { outputsFor, storeOf } from '../stores/store-of.ts';
import { checkWriteCompression, isGzip, type WriteCompression } from './compression.ts';
import { checkedDestination, type Destination } from './destinations.ts';
import { checkWritable, type OutputSpec } from './output.ts';
import type { ShardFormat } from './shard-format.ts';
import { checkShards, SHARD_NAME_TEMPLATE } from './shard-names.ts';

/** Options that all writers of files share. */
export interface WriteFilesOptions<T = unknown> {
  /** Where stores such as `s3://` are, as far as the environment does not say it. */
  stores?: StoreOptions;
  /**
   * What follows the prefix in the names of an element's files, which has files of its own: `({ country }) => \`country=${country}/part\``.
   * It may lead into folders below, by slashes; they are made. @default no text, so that all elements are in the same files
   */
  destination?: Destination<T>;
  /**
   * Whether each window has files of its own, whose names hold it. Needed for what has no end.
   * @default false: elements of all windows are in the same files
   */
  windowed?: boolean;
  /** The end of each file's name. @default `''` for text; `'.csv'`, `'.jsonl'`, `'.json'`, `'.parquet'`, `'.arrow'` and `'.avro'` for records */
  fileNameSuffix?: string;
  /** How many files, of each destination and window. @default as many as the size of the data suggests, one for small data; 1 of a stream */
  numShards?: number;
  /**
   * Runs of S stand for a shard's number, runs of N for how many; with `windowed` W stands for the window and P for its pane.
   * @default `'-SSSSS-of-NNNNN'`; with `windowed` `-W` in front of it, and `-P` behind that in a stream whose windows may fire more than once
   */
  shardNameTemplate?: string;
  /** The most elements in a file, which is begun anew behind them. @default no bound */
  maxRecordsPerShard?: number;
  /**
   * The most bytes in a file, before compression and with header and footer; only one element that is
   * larger by itself makes a larger file. @default no bound; small files are joined up to 64 MiB
   */
  maxBytesPerShard?: number;
  /** @default `'auto'`: gzip for a suffix that ends in `.gz` */
  compression?: WriteCompression;
}

export const WRITE_OPTIONS: OptionNames<WriteFilesOptions> = {
  destination: true,
  windowed: true,
  stores: true,
  fileNameSuffix: true,
  numShards: true,
  shardNameTemplate: true,
  maxRecordsPerShard: true,
  maxBytesPerShard: true,
  compression: true,
};

/** Where an output goes. */
export interface FileOutput<T, R> {
  /** As the program wrote it, relative or not. */
  readonly prefix: string;
  readonly spec: OutputSpec<R>;
  readonly destination: Destination<T> | undefined;
  /** Whether the program gave the template that is in `spec`. */
  readonly hasOwnTemplate: boolean;
}

/**
 * Looks at where an output is to go.
 *
 * @param format - of the files, as a whole compressed by gzip or not
 * @throws `INVALID_ARGUMENT`, `UNSUPPORTED`, `OUTPUT_NOT_WRITABLE`
 */
export function checkOutput<T, R>(
  transform: string,
  prefix: string,
  options: WriteFilesOptions<T>,
  format: (gzip: boolean) => ShardFormat<R>,
): FileOutput<T, R> {
  const {
    fileNameSuffix: suffix = '',
    shardNameTemplate: template = SHARD_NAME_TEMPLATE,
    compression = 'auto',
    windowed = false,
  } = options;
  if (typeof prefix !== 'string' || prefix === '') {
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `${transform} was given ${describeValue(prefix)}`,
      { hint: "Pass a folder and the beginning of the files' names: 'out/part'." },
    );
  }
  checkStores(transform, options.stores);
  const store = storeOf(prefix, 'written', options.stores);
  const path = store.pathOf(prefix);
  checkWriteCompression(compression);
  const shards = checkShards(template, options.numShards);
  checkBounds(options, shards);
  if (typeof windowed !== 'boolean') {
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `${transform}: windowed is ${describeValue(windowed)}`,
      { hint: 'Give true or false.' },
    );
  }
  const absolute = store.absolute(path);
  const destination =
    options.destination === undefined
      ? undefined
      : checkedDestination(
          transform,
          absolute,
          outputsFor(prefix, options.stores).separator,
          options.destination,
        );
  const spec: OutputSpec<R> = {
    prefix: absolute,
    stores: options.stores,
    suffix,
    template,
    shards,
    maxRecords: options.maxRecordsPerShard,
    maxBytes: options.maxBytesPerShard,
    format: format(isGzip(suffix, compression)),
    byDestination: destination !== undefined,
    windowed,
  };
  const bytes = spec.format.frameBytes;
  if (spec.maxBytes !== undefined && spec.maxBytes <= bytes) {
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `maxBytesPerShard is ${spec.maxBytes}, and header and footer alone are ${bytes} bytes`,
      { hint: 'Give more bytes, or a shorter header and footer.' },
    );
  }
  checkWritable(spec);
  return {
    prefix: path,
    spec,
    destination,
    hasOwnTemplate: options.shardNameTemplate !== undefined,
  };
}

const BOUNDS = ['maxRecordsPerShard', 'maxBytesPerShard'] as const;

/** @throws `INVALID_ARGUMENT` for bounds that are none, and bounds of a number of shards that is given */
function checkBounds(options: WriteFilesOptions<never>, shards: number | undefined): void {
  for (const name of BOUNDS) {
    const bound = options[name];
    if (bound === undefined) continue;
    if (!Number.isSafeInteger(bound) || bound < 1) {
      throw new BeamBridgeError('INVALID_ARGUMENT', `${name} is ${describeValue(bound)}`, {
        hint: 'Give a whole number, 1 or more, or leave it out.',
      });
    }
    if (shards === undefined) continue;
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `${name} bounds files whose number is ${shards}`,
      {
        hint: 'The bound decides how many files there are: leave out numShards, and let the shardNameTemplate hold their number.',
      },
    );
  }
}
