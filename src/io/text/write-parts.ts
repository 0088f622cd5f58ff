// SPDX-License-Identifier: Apache-2.0
// The elements of a bundle in temporary files, which become shards when all of them are whole. Each destination and window
// has files of its own. There may be any number of these: a few are written as their elements come, and the elements of
// all others are gathered and written, one destination after the other, when they are many.

import {
  GlobalWindow,
  IntervalWindow,
  NO_FIRING,
  type Window,
  type WindowedValue,
} from '../../coders/index.ts';
import type { DoFn, SideInputParam, WindowParam } from '../../pipeline/index.ts';
import type { Outputs } from '../stores/store.ts';
import { outputsFor } from '../stores/store-of.ts';
import type { Destination } from './destinations.ts';
import { beginPart, type OpenPart } from './open-part.ts';
import type { OutputSpec } from './output.ts';
import type { Part } from './shard-format.ts';
import { windowName } from './window-names.ts';

export type PartContext = { folder: SideInputParam<string, string>; window?: WindowParam };

/** How many files of a bundle are written at the same time, unless a number of shards that is asked for is greater. */
const MOST_OPEN = 16;
/** What elements that wait for their file may hold together, in bytes. */
const PENDING_BYTES = 32 * 1024 * 1024;
/** What one of them holds beside its bytes in the file, about. */
const RECORD_BYTES = 128;

/** What an element is in a file, without what is between elements; throws for one that is nothing there. */
export type Render<T, R = string> = (element: T) => R;

/** What a bundle has of one destination in one window. */
interface Place<R> {
  readonly destination: string;
  readonly window: Window | undefined;
  /** By shard. */
  open: (OpenPart<R> | undefined)[];
  next: number;
  /** The elements that wait; nothing where they are written as they come. */
  pending: R[] | undefined;
  pendingBytes: number;
}

/** Writes the elements of each bundle to temporary files: one, or one for each shard asked for, of each destination and window. */
export class WriteParts<T, R> implements DoFn<T, Part, PartContext> {
  readonly beamName = 'write';
  private places = new Map<string, Place<R>>();
  /** The one there is where neither destinations nor windows are told apart, or the last that was asked for. */
  private last: Place<R> | undefined;
  private full: { part: Part; window: Window | undefined }[] = [];
  private openParts = 0;
  private pendingBytes = 0;
  /** The output's folder for temporary files, once there is an element. */
  private folder: string | undefined;
  private readonly maxRecords: number;
  private readonly maxBytes: number;

  constructor(
    private readonly spec: OutputSpec<R>,
    private readonly render: Render<T, R>,
    private readonly destination?: Destination<T>,
  ) {
    this.maxRecords = spec.maxRecords ?? Infinity;
    this.maxBytes = spec.maxBytes === undefined ? Infinity : spec.maxBytes - spec.format.frameBytes;
  }

  forBundle(): WriteParts<T, R> {
    return new WriteParts(this.spec, this.render, this.destination);
  }

  startBundle(): void {
    // A bundle that failed did not come to its end.
    this.places = new Map();
    this.last = undefined;
    this.full = [];
    this.openParts = 0;
    this.pendingBytes = 0;
    this.folder = undefined;
  }

  process(element: T, context: PartContext): Promise<void> | undefined {
    const record = this.render(element);
    const place = this.placeOf(element, context);
    this.folder ??= context.folder.lookup();
    return place.pending
      ? this.gather(place, place.pending, record, this.folder)
      : this.write(place, record, this.folder);
  }

  private placeOf(element: T, { window: param }: PartContext): Place<R> {
    const destination = this.destination === undefined ? '' : this.destination(element);
    const window = param?.lookup();
    const { last } = this;
    if (last && last.destination === destination && isSame(last.window, window)) return last;
    const name = window === undefined ? destination : `${destination}\0${windowName(window)}`;
    const place = this.places.get(name) ?? this.begun(name, destination, window);
    this.last = place;
    return place;
  }

  private begun(name: string, destination: string, window: Window | undefined): Place<R> {
    const { shards = 1 } = this.spec;
    const waits = this.places.size > 0 && (this.places.size + 1) * shards > MOST_OPEN;
    const pending = waits ? [] : undefined;
    const place = { destination, window, open: [], next: 0, pending, pendingBytes: 0 };
    this.places.set(name, place);
    return place;
  }

  /** Has an element wait; the longest of what waits is written when it is too much. */
  private gather(
    place: Place<R>,
    pending: R[],
    record: R,
    folder: string,
  ): Promise<void> | undefined {
    pending.push(record);
    const bytes = this.spec.format.sizeOf(record) + RECORD_BYTES;
    place.pendingBytes += bytes;
    this.pendingBytes += bytes;
    return this.pendingBytes > PENDING_BYTES ? this.spill(folder) : undefined;
  }

  private async spill(folder: string): Promise<void> {
    const waiting = [...this.places.values()].filter(({ pendingBytes }) => pendingBytes > 0);
    waiting.sort((a, b) => b.pendingBytes - a.pendingBytes);
    for (const place of waiting) {
      if (this.pendingBytes <= PENDING_BYTES / 2) break;
      await this.writePending(place, folder);
    }
  }

  /** Writes all that waits of a destination to files that are closed at once. */
  private async writePending(place: Place<R>, folder: string): Promise<void> {
    for (const record of place.pending!) await this.write(place, record, folder);
    this.pendingBytes -= place.pendingBytes;
    place.pending = [];
    place.pendingBytes = 0;
    await this.closeAll(place);
  }

  private write(place: Place<R>, record: R, folder: string): Promise<void> | undefined {
    const shard = place.next;
    place.next = (shard + 1) % (this.spec.shards ?? 1);
    const { format } = this.spec;
    // Not counted where nobody asks.
    const bytes = this.maxBytes === Infinity ? 0 : format.sizeOf(record);
    const part = place.open[shard];
    if (part && this.fits(part, format.separatorBytes + bytes))
      return part.append(record, format.separatorBytes + bytes);
    return this.begin(place, shard, record, bytes, folder);
  }

  private fits({ records, textBytes }: OpenPart<R>, bytes: number): boolean {
    return records < this.maxRecords && textBytes + bytes <= this.maxBytes;
  }

  private async begin(
    place: Place<R>,
    shard: number,
    record: R,
    bytes: number,
    folder: string,
  ): Promise<void> {
    await this.close(place, shard);
    const part = await beginPart(this.spec, this.outputs, folder, shard, this.filesTogether());
    place.open[shard] = part;
    this.openParts += 1;
    await part.append(record, bytes);
  }

  /** How many files share the memory: as many as are asked for, or twice as many as are open, since others may follow. */
  private filesTogether(): number {
    const { shards = 1 } = this.spec;
    const isOne = this.destination === undefined && !this.spec.windowed;
    return isOne ? shards : Math.max(shards, Math.min(MOST_OPEN, 2 * (this.openParts + 1)));
  }

  private async close(place: Place<R>, shard: number): Promise<void> {
    const { destination, window, open } = place;
    const part = open[shard];
    if (!part) return;
    open[shard] = undefined;
    this.openParts -= 1;
    const whole = await part.whole();
    const at = {
      ...(this.destination === undefined ? {} : { destination }),
      ...(window === undefined ? {} : { window: windowName(window) }),
    };
    this.full.push({ part: { ...whole, ...at }, window });
  }

  private async closeAll(place: Place<R>): Promise<void> {
    for (const shard of place.open.keys()) await this.close(place, shard);
    place.open = [];
  }

  private get outputs(): Outputs {
    return outputsFor(this.spec.prefix, this.spec.stores);
  }

  async finishBundle(): Promise<WindowedValue<Part>[]> {
    for (const place of this.places.values()) {
      if (place.pending && this.folder !== undefined) await this.writePending(place, this.folder);
      else await this.closeAll(place);
    }
    const parts = this.full;
    this.startBundle();
    return parts.map(({ part, window = GlobalWindow.INSTANCE }) => ({
      value: part,
      timestamp: window.maxTimestamp(),
      windows: [window],
      pane: NO_FIRING,
    }));
  }
}

function isSame(one: Window | undefined, other: Window | undefined): boolean {
  if (one === other) return true;
  return (
    one instanceof IntervalWindow &&
    other instanceof IntervalWindow &&
    one.start === other.start &&
    one.end === other.end
  );
}
