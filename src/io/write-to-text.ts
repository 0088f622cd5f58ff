// SPDX-License-Identifier: Apache-2.0
// Lines to text files, which appear under their names when all of them are whole.

import { resolve, sep } from 'node:path';
import { BeamBridgeError, checkOptionNames, type OptionNames } from '../base/index.ts';
import { type Coder, describeValue, JsCoder, StrUtf8Coder } from '../coders/index.ts';
import { type PCollection, type Pipeline, PTransformClass } from '../pipeline/index.ts';
import {
  doFnStep,
  flatMapStep,
  globalWindows,
  impulse,
  listSideInput,
  mapStep,
  singletonSideInput,
  windowInto,
} from '../transforms/index.ts';
import { commitWithRun, nameOrWait } from './text/commit.ts';
import { type Compression, checkCompression, isGzip } from './text/compression.ts';
import { localPath } from './text/local-path.ts';
import { claimNames } from './text/name-claims.ts';
import {
  checkWritable,
  completeOutput,
  frameBytes,
  makeTemporary,
  type OutputSpec,
  type Part,
  removeMarked,
  removeTemporary,
} from './text/output.ts';
import { checkShards, SHARD_NAME_TEMPLATE } from './text/shard-names.ts';
import { type PartContext, WriteParts } from './text/write-parts.ts';

/** Options of {@link writeToText}. */
export interface WriteTextOptions {
  /** The end of each file's name. @default `''` */
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
  /** First line of each file. @default none */
  header?: string;
  /** Last line of each file. @default none */
  footer?: string;
  /** Whether each element ends with a newline. @default true */
  appendTrailingNewlines?: boolean;
  /** @default `'auto'`: gzip for a suffix that ends in `.gz` */
  compression?: Compression;
}

const OPTIONS: OptionNames<WriteTextOptions> = {
  fileNameSuffix: true,
  numShards: true,
  shardNameTemplate: true,
  maxRecordsPerShard: true,
  maxBytesPerShard: true,
  header: true,
  footer: true,
  appendTrailingNewlines: true,
  compression: true,
};

/** What {@link writeToText} gives. */
export type WrittenText = {
  /** The paths of the files, once they are whole. */
  filesWritten: PCollection<string>;
};

/**
 * Writes each element as a line of files `PREFIX-00000-of-0000N`.
 *
 * The files are written in a hidden folder beside the output. All outputs of a pipeline are renamed
 * together when the run has succeeded: a run that fails leaves none, and replaces none. Only a process
 * that is killed while it renames leaves new shards among old ones. Where a further step reads
 * `filesWritten`, or the pipeline has an unbounded PCollection too, an output is renamed as soon as it is whole. An empty PCollection gives one file without lines. Files of the same names
 * are replaced; those of an earlier run with another number of shards stay, with a warning.
 *
 * @param prefix - folder and beginning of the files' names; missing folders are made
 * @throws `OUTPUT_NOT_WRITABLE` when the pipeline is built, or from the run
 * @throws `INVALID_ARGUMENT` when another writeToText of the pipeline gives files of the same names
 * @throws `CODER_MISMATCH` from the run, for an element that is no string, or holds half a surrogate pair
 * @throws `UNSUPPORTED` for an unbounded PCollection, and a prefix that is not local
 *
 * @example
 * ```ts
 * scores.map((s) => `${s.id},${s.score}`).apply(writeToText('out/scores', { fileNameSuffix: '.csv' }));
 * ```
 */
export function writeToText(
  prefix: string,
  options: WriteTextOptions = {},
): (lines: PCollection<string>) => WrittenText {
  checkOptionNames('writeToText', options, OPTIONS);
  const {
    fileNameSuffix: suffix = '',
    shardNameTemplate: template = SHARD_NAME_TEMPLATE,
    header,
    footer,
    appendTrailingNewlines = true,
    compression = 'auto',
  } = options;
  if (typeof prefix !== 'string' || prefix === '') {
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `writeToText was given ${describeValue(prefix)}`,
      {
        hint: "Pass a folder and the beginning of the files' names: 'out/part'.",
      },
    );
  }
  const local = localPath(prefix, 'written');
  checkCompression(compression);
  const shards = checkShards(template, options.numShards);
  checkBounds(options, shards);
  const spec: OutputSpec = {
    prefix: resolve(local) + (/[\\/]$/.test(local) ? sep : ''),
    suffix,
    template,
    shards,
    maxRecords: options.maxRecordsPerShard,
    maxBytes: options.maxBytesPerShard,
    header: header === undefined ? '' : `${header}\n`,
    footer: footer === undefined ? '' : `${footer}\n`,
    gzip: isGzip(suffix, compression),
  };
  const frame = frameBytes(spec);
  if (spec.maxBytes !== undefined && spec.maxBytes <= frame) {
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `maxBytesPerShard is ${spec.maxBytes}, and header and footer alone are ${frame} bytes`,
      { hint: 'Give more bytes, or a shorter header and footer.' },
    );
  }
  checkWritable(spec.prefix);
  const sink = new WriteToText(local, spec, appendTrailingNewlines ? '\n' : '');
  // A function, since the compiler takes a class of texts for one of texts that may be null as well.
  const write = (lines: PCollection<string>) => sink.expandInternal(lines, lines.pipeline);
  return Object.defineProperty(write, 'name', { value: 'writeToText' });
}

const BOUNDS = ['maxRecordsPerShard', 'maxBytesPerShard'] as const;

/** @throws `INVALID_ARGUMENT` for bounds that are none, and bounds of a number of shards that is given */
function checkBounds(options: WriteTextOptions, shards: number | undefined): void {
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

function unboundedInput(input: PCollection<string>, where?: object): BeamBridgeError | undefined {
  if (input.isBounded) return undefined;
  return new BeamBridgeError('UNSUPPORTED', 'an unbounded PCollection cannot be written to text', {
    ...where,
    hint: 'Only bounded PCollections can: files are named when all elements are written.',
  });
}

class WriteToText extends PTransformClass<PCollection<string>, WrittenText> {
  constructor(
    private readonly prefix: string,
    private readonly spec: OutputSpec,
    private readonly lineEnd: string,
  ) {
    super('writeToText');
  }

  override expandInternal(input: PCollection<string>, pipeline: Pipeline): WrittenText {
    const refusal = unboundedInput(input);
    if (refusal) throw refusal;
    const where = pipeline.current?.errorDetails;
    pipeline.boundedChecks.push(() => unboundedInput(input, where));
    const { spec, prefix } = this;
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
            const made = await makeTemporary(
              spec.prefix,
              pipeline.isCommittedHere,
              pipeline.runMark,
            );
            folders.push(made);
            // A run that ended meanwhile has removed what there was.
            if (isOver) await removeTemporary(made);
            return made;
          },
          text,
        ),
      );
    // Where the run was started, whatever is left is removed: after a success, nothing.
    pipeline.cleanUps.push(async () => {
      isOver = true;
      for (const made of folders.splice(0)) await removeTemporary(made);
      if (pipeline.runMark !== undefined) await removeMarked(spec.prefix, pipeline.runMark);
    });
    const parts = input
      .apply(windowInto(globalWindows()))
      .apply(
        doFnStep<string, Part, PartContext>(
          'write',
          new WriteParts(spec, this.lineEnd),
          new JsCoder() as Coder<unknown> as Coder<Part>,
          { folder: singletonSideInput(folder) },
        ),
      );
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
    return { filesWritten };
  }
}
