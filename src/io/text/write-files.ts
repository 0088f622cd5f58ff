// SPDX-License-Identifier: Apache-2.0
// Elements to files, which appear under their names when all of them are whole: the end of every writer of files.

import { BeamBridgeError, type OptionNames } from '../../base/index.ts';
import { type Coder, describeValue, JsCoder, StrUtf8Coder } from '../../coders/index.ts';
import { type PCollection, type Pipeline, PTransformClass } from '../../pipeline/index.ts';
import {
  doFnStep,
  flatMapStep,
  globalWindows,
  impulse,
  listSideInput,
  mapStep,
  singletonSideInput,
  windowInto,
} from '../../transforms/index.ts';
import { checkStores, type StoreOptions } from '../stores/options.ts';
import { storeOf } from '../stores/store-of.ts';
import { commitWithRun, nameOrWait } from './commit.ts';
import { checkWriteCompression, isGzip, type WriteCompression } from './compression.ts';
import { claimNames } from './name-claims.ts';
import {
  checkWritable,
  completeOutput,
  makeTemporary,
  type OutputSpec,
  removeMarked,
  removeTemporary,
} from './output.ts';
import type { Part, ShardFormat } from './shard-format.ts';
import { checkShards, SHARD_NAME_TEMPLATE } from './shard-names.ts';
import { type PartContext, type Render, WriteParts } from './write-parts.ts';

/** Options that all writers of files share. */
export interface WriteFilesOptions {
  /** Where stores such as `s3://` are, as far as the environment does not say it. */
  stores?: StoreOptions;
  /** The end of each file's name. @default `''` for text; `'.csv'`, `'.jsonl'`, `'.json'`, `'.parquet'`, `'.arrow'` and `'.avro'` for records */
  fileNameSuffix?: string;
  /** How many files. @default as many as the size of the data suggests, one for small data */
  numShards?: number;
  /** Runs of S stand for a shard's number, runs of N for how many. @default `'-SSSSS-of-NNNNN'` */
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
  stores: true,
  fileNameSuffix: true,
  numShards: true,
  shardNameTemplate: true,
  maxRecordsPerShard: true,
  maxBytesPerShard: true,
  compression: true,
};

/** What writers of files give. */
export type WrittenFiles = {
  /** The paths of the files, once they are whole. */
  filesWritten: PCollection<string>;
};

/** Where an output goes. */
export interface FileOutput<R> {
  /** As the program wrote it, relative or not. */
  readonly prefix: string;
  readonly spec: OutputSpec<R>;
}

/**
 * Looks at where an output is to go.
 *
 * @param format - of the files, as a whole compressed by gzip or not
 * @throws `INVALID_ARGUMENT`, `UNSUPPORTED`, `OUTPUT_NOT_WRITABLE`
 */
export function checkOutput<R>(
  transform: string,
  prefix: string,
  options: WriteFilesOptions,
  format: (gzip: boolean) => ShardFormat<R>,
): FileOutput<R> {
  const {
    fileNameSuffix: suffix = '',
    shardNameTemplate: template = SHARD_NAME_TEMPLATE,
    compression = 'auto',
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
  const spec: OutputSpec<R> = {
    prefix: store.absolute(path),
    stores: options.stores,
    suffix,
    template,
    shards,
    maxRecords: options.maxRecordsPerShard,
    maxBytes: options.maxBytesPerShard,
    format: format(isGzip(suffix, compression)),
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
  return { prefix: path, spec };
}

const BOUNDS = ['maxRecordsPerShard', 'maxBytesPerShard'] as const;

/** @throws `INVALID_ARGUMENT` for bounds that are none, and bounds of a number of shards that is given */
function checkBounds(options: WriteFilesOptions, shards: number | undefined): void {
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

function unboundedInput(input: PCollection<unknown>, where?: object): BeamBridgeError | undefined {
  if (input.isBounded) return undefined;
  return new BeamBridgeError('UNSUPPORTED', 'an unbounded PCollection cannot be written to files', {
    ...where,
    hint: 'Only bounded PCollections can: files are named when all elements are written.',
  });
}

/** Writes elements to files, each as what `render` makes of it for their format. */
export class WriteFiles<T, R> extends PTransformClass<PCollection<T>, WrittenFiles> {
  constructor(
    name: string,
    private readonly output: FileOutput<R>,
    private readonly render: Render<T, R>,
  ) {
    super(name);
  }

  override expandInternal(input: PCollection<T>, pipeline: Pipeline): WrittenFiles {
    const refusal = unboundedInput(input);
    if (refusal) throw refusal;
    const where = pipeline.current?.errorDetails;
    pipeline.boundedChecks.push(() => unboundedInput(input, where));
    const { spec, prefix } = this.output;
    claimNames(pipeline, spec);
    commitWithRun(pipeline);
    const text = new StrUtf8Coder();
    const folders: string[] = [];
    let isOver = false;
    const folder = input
      .root()
      .apply(impulse())
      .apply(
        mapStep(
          'prepare',
          async () => {
            await spec.format.prepare?.();
            const made = await makeTemporary(spec, pipeline.isCommittedHere, pipeline.runMark);
            folders.push(made);
            // A run that ended meanwhile has removed what there was.
            if (isOver) await removeTemporary(spec, made);
            return made;
          },
          text,
        ),
      );
    folder.node.producer.staysHere = 'makes a folder that the run removes at its end';
    // Where the run was started, whatever is left is removed: after a success, nothing.
    pipeline.cleanUps.push(async () => {
      isOver = true;
      for (const made of folders.splice(0)) await removeTemporary(spec, made);
      if (pipeline.runMark !== undefined) await removeMarked(spec, pipeline.runMark);
    });
    const parts = input
      .apply(windowInto(globalWindows()))
      .apply(
        doFnStep<T, Part, PartContext>(
          'write',
          new WriteParts(spec, this.render),
          new JsCoder() as Coder<unknown> as Coder<Part>,
          { folder: singletonSideInput(folder) },
        ),
      );
    parts.node.producer.staysHere = 'writes files, which the run names at its end';
    const context = { folder: singletonSideInput(folder), parts: listSideInput(parts) };
    const filesWritten: PCollection<string> = input
      .root()
      .apply(impulse())
      .apply(
        flatMapStep(
          'finalize',
          async (_: Uint8Array, { folder, parts }: typeof context) => {
            const output = await completeOutput(spec, folder.lookup(), parts.lookup());
            await nameOrWait(output, pipeline, filesWritten.node);
            // As the program wrote the prefix, relative or not.
            return output.finals.map((path) => prefix + path.slice(spec.prefix.length));
          },
          text,
          context,
        ),
      );
    filesWritten.node.producer.staysHere =
      'names files, with those of others at the end of the run';
    return { filesWritten };
  }
}
