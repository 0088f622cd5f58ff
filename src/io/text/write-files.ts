// SPDX-License-Identifier: Apache-2.0
// Elements to files, which appear under their names when all of them are whole: the end of every writer of files. What has
// an end gets its names together in the end; a stream's files appear pane by pane.

import { BeamBridgeError } from '../../base/index.ts';
import { type Coder, JsCoder, KVCoder, StrUtf8Coder } from '../../coders/index.ts';
import { type PCollection, type Pipeline, PTransformClass } from '../../pipeline/index.ts';
import {
  doFnStep,
  flatMapStep,
  globalWindows,
  groupByKey,
  impulse,
  listSideInput,
  mapStep,
  paneInfoParam,
  singletonSideInput,
  timestampParam,
  windowInto,
  windowParam,
} from '../../transforms/index.ts';
import { commitWithRun, nameOrWait } from './commit.ts';
import type { Destination } from './destinations.ts';
import { bySession } from './merged-windows.ts';
import { claimNames } from './name-claims.ts';
import {
  completeOutput,
  makeTemporary,
  type OutputSpec,
  removeMarked,
  removeTemporary,
} from './output.ts';
import type { Part } from './shard-format.ts';
import { checkStreamed, windowedTemplate } from './windowed-names.ts';
import type { FileOutput } from './write-options.ts';
import { PaneFiles, shardKey, WritePanes } from './write-panes.ts';
import { type PartContext, type Render, WriteParts } from './write-parts.ts';

/** What writers of files give. */
export type WrittenFiles = {
  /** The paths of the files, once they are whole. */
  filesWritten: PCollection<string>;
};

function unboundedInput(
  input: PCollection<unknown>,
  isWindowed: boolean,
  where?: object,
): BeamBridgeError | undefined {
  if (input.isBounded) return undefined;
  return new BeamBridgeError('UNSUPPORTED', 'an unbounded PCollection cannot be written to files', {
    ...where,
    hint: isWindowed
      ? 'That it has no end is known only now: have a step in this language give what has none, such as fromAsyncIterable.'
      : 'Say windowed: true, with windows that end or a trigger: then each pane has files of its own. Without, files are named when all elements are written.',
  });
}

/** Writes elements to files, each as what `render` makes of it for their format. */
export class WriteFiles<T, R> extends PTransformClass<PCollection<T>, WrittenFiles> {
  constructor(
    private readonly transform: string,
    private readonly output: FileOutput<T, R>,
    private readonly render: Render<T, R>,
  ) {
    super(transform);
  }

  override expandInternal(input: PCollection<T>, pipeline: Pipeline): WrittenFiles {
    const { output } = this;
    const isStream = !input.isBounded;
    if (isStream && !output.spec.windowed) throw unboundedInput(input, false);
    const template = windowedTemplate(this.transform, output, input);
    const spec = { ...output.spec, template };
    claimNames(pipeline, spec, isStream);
    commitWithRun(pipeline);
    if (isStream) {
      checkStreamed(this.transform, { ...output, spec }, input);
      return { filesWritten: this.writePanes(input, pipeline, spec) };
    }
    const where = pipeline.current?.errorDetails;
    pipeline.boundedChecks.push(() => unboundedInput(input, spec.windowed === true, where));
    const { destination } = output;
    if (!spec.windowed || !input.node.windowing.windowFn.isMerging()) {
      return { filesWritten: this.writeAll(input, pipeline, spec, this.render, destination) };
    }
    const merged = bySession(input, destination);
    const render: Render<{ value: T }, R> = ({ value }) => this.render(value);
    const filesWritten = this.writeAll(merged, pipeline, spec, render, ({ key }) => key);
    return { filesWritten };
  }

  /** What follows the prefix as the program wrote it, relative or not. */
  private asGiven = (path: string): string =>
    this.output.prefix + path.slice(this.output.spec.prefix.length);

  /** A folder for temporary files, which is gone when the run is over. */
  private temporaryFolder(pipeline: Pipeline, spec: OutputSpec<R>): () => Promise<string> {
    const folders: string[] = [];
    let isOver = false;
    // Where the run was started, whatever is left is removed: after a success, nothing.
    pipeline.cleanUps.push(async () => {
      isOver = true;
      for (const made of folders.splice(0)) await removeTemporary(spec, made);
      if (pipeline.runMark !== undefined) await removeMarked(spec, pipeline.runMark);
    });
    return async () => {
      await spec.format.prepare?.();
      const made = await makeTemporary(spec, pipeline.isCommittedHere, pipeline.runMark);
      folders.push(made);
      // A run that ended meanwhile has removed what there was.
      if (isOver) await removeTemporary(spec, made);
      return made;
    };
  }

  /** What has an end: the last step makes shards of what all bundles wrote. */
  private writeAll<E>(
    input: PCollection<E>,
    pipeline: Pipeline,
    spec: OutputSpec<R>,
    render: Render<E, R>,
    destination: Destination<E> | undefined,
  ): PCollection<string> {
    const text = new StrUtf8Coder();
    const makeFolder = this.temporaryFolder(pipeline, spec);
    const folder = input
      .root()
      .apply(impulse())
      .apply(mapStep('prepare', makeFolder, text));
    folder.node.producer.staysHere = 'makes a folder that the run removes at its end';
    const elements = spec.windowed ? input : input.apply(windowInto(globalWindows()));
    const written = elements.apply(
      doFnStep<E, Part, PartContext>(
        'write',
        new WriteParts(spec, render, destination),
        new JsCoder() as Coder<unknown> as Coder<Part>,
        {
          folder: singletonSideInput(folder),
          ...(spec.windowed ? { window: windowParam() } : {}),
        },
      ),
    );
    written.node.producer.staysHere = 'writes files, which the run names at its end';
    const parts = spec.windowed ? written.apply(windowInto(globalWindows())) : written;
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
            return output.finals.map(this.asGiven);
          },
          text,
          context,
        ),
      );
    filesWritten.node.producer.staysHere =
      'names files, with those of others at the end of the run';
    return filesWritten;
  }

  /** A stream: the panes of each destination and shard, as its trigger gives them. */
  private writePanes(
    input: PCollection<T>,
    pipeline: Pipeline,
    spec: OutputSpec<R>,
  ): PCollection<string> {
    const { destination } = this.output;
    const shards = spec.maxRecords === undefined ? (spec.shards ?? 1) : 1;
    let next = 0;
    const keyed = (value: T) => {
      const shard = next;
      next = (shard + 1) % shards;
      return { key: shardKey(shard, destination === undefined ? '' : destination(value)), value };
    };
    const text = new StrUtf8Coder();
    const files = new PaneFiles(this.temporaryFolder(pipeline, spec));
    const filesWritten = input
      .apply(mapStep('byShard', keyed, new KVCoder(text, input.coder)))
      .apply(groupByKey())
      .apply(
        doFnStep(
          'write',
          new WritePanes(this.transform, spec, this.render, files, this.asGiven),
          text,
          { window: windowParam(), pane: paneInfoParam(), timestamp: timestampParam() },
        ),
      );
    filesWritten.node.producer.staysHere = 'writes files, whose folder the run removes at its end';
    return filesWritten;
  }
}
