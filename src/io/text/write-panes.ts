// SPDX-License-Identifier: Apache-2.0
// The panes of a stream to files. A pane has all its elements when it comes, so that its files are whole at once and appear
// one by one. Their names follow from destination, window, pane and shard alone: a bundle that is run again replaces what it
// wrote, and nobody ever sees half a file.

import { rm } from 'node:fs/promises';
import { BeamBridgeError, getLogger } from '../../base/index.ts';
import { type KV, NO_FIRING, type WindowedValue } from '../../coders/index.ts';
import type { DoFn, PaneInfoParam, TimestampParam, WindowParam } from '../../pipeline/index.ts';
import type { Outputs } from '../stores/store.ts';
import { lookAt, outputsFor } from '../stores/store-of.ts';
import { beginPart, type OpenPart, partNumber } from './open-part.ts';
import { type OutputSpec, shardNames } from './output.ts';
import type { Part } from './shard-format.ts';
import { paneName, windowName } from './window-names.ts';
import type { Render } from './write-parts.ts';

const log = getLogger('io');
/** How many files are sent to a store at the same time. */
const AT_ONCE = 8;

export interface PaneContext {
  readonly window: WindowParam;
  readonly pane: PaneInfoParam;
  readonly timestamp: TimestampParam;
}

/** The key under which elements are brought together: the number of the shard, and what follows the prefix. */
export function shardKey(shard: number, destination: string): string {
  return `${shard}/${destination}`;
}

function ofShardKey(key: string): { shard: number; destination: string } {
  const at = key.indexOf('/');
  return { shard: Number(key.slice(0, at)), destination: key.slice(at + 1) };
}

/** What the bundles of a process share. */
export class PaneFiles {
  private folder: Promise<string> | undefined;
  private isFirst = true;

  constructor(
    /** Makes the folder for temporary files. */
    private readonly make: () => Promise<string>,
  ) {}

  temporary(): Promise<string> {
    this.folder ??= this.make();
    return this.folder;
  }

  /** A stream that is begun anew counts its panes from 0 again. */
  async warnOfEarlier(path: string, spec: OutputSpec): Promise<void> {
    if (!this.isFirst) return;
    this.isFirst = false;
    if ((await lookAt(path, spec.stores).catch(() => undefined)) === undefined) return;
    log.warn(
      `${path} was there before: a stream that writes windows and panes of the same names as an earlier run replaces its files. Give each run a prefix of its own to keep them`,
    );
  }
}

/** Writes each pane of a destination and shard to files, and gives their paths. */
export class WritePanes<T, R> implements DoFn<KV<string, Iterable<T>>, string, PaneContext> {
  readonly beamName = 'write';
  private written: WindowedValue<string>[] = [];
  private readonly sending = new Set<Promise<void>>();
  private failure: unknown;

  constructor(
    private readonly transform: string,
    private readonly spec: OutputSpec<R>,
    private readonly render: Render<T, R>,
    private readonly files: PaneFiles,
    /** What a program is told of a path. */
    private readonly asGiven: (path: string) => string,
  ) {}

  forBundle(): WritePanes<T, R> {
    const { transform, spec, render, files, asGiven } = this;
    return new WritePanes(transform, spec, render, files, asGiven);
  }

  async setup(): Promise<void> {
    // What cannot be written is told before there is anything to write.
    await this.files.temporary();
  }

  startBundle(): void {
    this.written = [];
    this.failure = undefined;
  }

  async process(element: KV<string, Iterable<T>>, context: PaneContext): Promise<void> {
    const { shard, destination } = ofShardKey(element.key);
    const window = context.window.lookup();
    const pane = context.pane.lookup();
    const timestamp = context.timestamp.lookup();
    this.refusePane(pane === NO_FIRING ? undefined : pane.index);
    const folder = await this.files.temporary();
    const parts = await this.partsOf(element.value, folder);
    const place = { destination, window: windowName(window) };
    const name = shardNames(this.spec, place, paneName(pane));
    const count = this.spec.maxRecords === undefined ? (this.spec.shards ?? 1) : parts.length;
    for (const [index, part] of parts.entries()) {
      const path = name(shard + index, count);
      await this.files.warnOfEarlier(path, this.spec);
      await this.send(() => this.appear(part, path, folder));
      // Told of when all of the bundle are there, in their order.
      this.written.push({ value: this.asGiven(path), timestamp, windows: [window], pane });
    }
  }

  /** Panes that are not told apart by their names would replace each other. */
  private refusePane(index: number | undefined): void {
    const isNamed = this.spec.template.includes('P');
    if (isNamed ? index !== undefined : (index ?? 0) <= 0) return;
    throw new BeamBridgeError(
      'UNSUPPORTED',
      isNamed
        ? `${this.transform}: the runner does not say which of a window's panes it gives, by which files are named`
        : `${this.transform}: the runner gives pane ${index} of a window that fires once`,
      { hint: "Run it on 'node', 'flink' or 'prism', or take a trigger that fires once." },
    );
  }

  /** The pane's elements in temporary files: one, or as many as their bound wants; none for no elements. */
  private async partsOf(values: Iterable<T> | AsyncIterable<T>, folder: string): Promise<Part[]> {
    const { maxRecords = Infinity, format } = this.spec;
    const parts: Part[] = [];
    let open: OpenPart<R> | undefined;
    for await (const value of values) {
      const record = this.render(value);
      if (open && open.records >= maxRecords) {
        parts.push(await open.left());
        open = undefined;
      }
      open ??= await beginPart(this.spec, this.outputs, folder, 0, 1);
      const waiting = open.append(record, format.separatorBytes);
      if (waiting) await waiting;
    }
    if (open) parts.push(await open.left());
    return parts;
  }

  private async appear(part: Part, to: string, folder: string): Promise<void> {
    const { format } = this.spec;
    const { outputs } = this;
    const only = format.isWhole ? part.path : undefined;
    await outputs.replace(
      await outputs.complete(to, folder, partNumber(part.path), () => format.join([part]), only),
    );
    await rm(part.path, { force: true });
  }

  /** Some files are on their way while the next ones are written. */
  private async send(work: () => Promise<void>): Promise<void> {
    while (this.sending.size >= AT_ONCE) await Promise.race(this.sending);
    this.refuseFailed();
    const sent: Promise<void> = work()
      .catch((error: unknown) => {
        this.failure ??= error;
      })
      .finally(() => this.sending.delete(sent));
    this.sending.add(sent);
  }

  private refuseFailed(): void {
    if (this.failure !== undefined) throw this.failure;
  }

  private get outputs(): Outputs {
    return outputsFor(this.spec.prefix, this.spec.stores);
  }

  async finishBundle(): Promise<WindowedValue<string>[]> {
    await Promise.all(this.sending);
    this.refuseFailed();
    return this.written;
  }
}
