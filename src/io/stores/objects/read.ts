// SPDX-License-Identifier: Apache-2.0
// An object that is read in blocks, each of them one request: one that is torn is asked for again, from where it broke
// off. All blocks are of the version that was listed, or it is an error, since a store has no file that stays open.

import { nap } from '../../../base/index.ts';
import { changed } from '../changed.ts';
import type { FileLook, OpenFile } from '../store.ts';
import type { ObjectReader } from './client.ts';
import { failureOf, objectError, type Told, TornTransfer } from './failures.ts';
import type { ObjectPlace } from './path.ts';

/** What is asked for at once at most, and so what is in memory, twice. */
const LARGEST_BLOCK = 4 * 1024 * 1024;
/** How often a transfer is begun that is torn each time before a byte came. */
const MOST_ATTEMPTS = 5;
const FIRST_PAUSE_MS = 100;

/** A version holds the size, so that nothing has to be asked to know it. */
export function versionText(size: number, tag: string): string {
  return `${size}-${tag}`;
}

export function partsOfVersion(version: string): { size: number; tag: string } {
  const at = version.indexOf('-');
  return { size: Number(version.slice(0, at)), tag: version.slice(at + 1) };
}

interface Block {
  readonly start: number;
  readonly bytes: Buffer;
}

interface Fetching {
  readonly start: number;
  readonly block: Promise<Block>;
}

export class ObjectFile implements OpenFile {
  private readonly size: number;
  private block: Block = { start: 0, bytes: Buffer.alloc(0) };
  /** The block behind the present one, under way while that is worked on. */
  private ahead: Fetching | undefined;
  /** How much was asked for last. */
  private wanted = 0;
  private readonly over = new AbortController();

  /** @param end - where reading most likely ends */
  constructor(
    private readonly client: ObjectReader,
    private readonly place: ObjectPlace,
    private readonly told: Told,
    private readonly version: string,
    private readonly end: number | undefined,
    private readonly idleMs: number,
  ) {
    this.size = partsOfVersion(version).size;
  }

  async look(): Promise<FileLook> {
    return { size: this.size, version: this.version };
  }

  async read(buffer: Uint8Array, offset: number, length: number, position: number) {
    if (position >= this.size || length === 0) return { bytesRead: 0 };
    if (!holds(this.block, position)) this.block = await this.blockAt(position, length);
    const from = position - this.block.start;
    const taken = this.block.bytes.subarray(from, from + length);
    buffer.set(taken, offset);
    return { bytesRead: taken.length };
  }

  private async blockAt(position: number, length: number): Promise<Block> {
    const behind = this.block.start + this.block.bytes.length;
    const goesOn = position === behind && this.wanted > 0;
    const { ahead } = this;
    this.ahead = undefined;
    this.wanted = Math.min(goesOn ? Math.max(this.wanted * 2, length) : length, LARGEST_BLOCK);
    const block =
      ahead?.start === position ? await ahead.block : await this.fetch(position, length);
    const next = block.start + block.bytes.length;
    if (goesOn && next < Math.min(this.size, this.end ?? this.size)) {
      const under = this.fetch(next, 1);
      // Told to whoever asks for it.
      under.catch(() => {});
      this.ahead = { start: next, block: under };
    }
    return block;
  }

  /** The bytes from a place on: as many as are wanted, and at least one. */
  private async fetch(start: number, length: number): Promise<Block> {
    const likely = Math.max((this.end ?? this.size) - start, length);
    const size = Math.min(this.wanted, likely, this.size - start);
    const bytes = Buffer.allocUnsafeSlow(size);
    let filled = 0;
    let attempts = 0;
    while (filled < size) {
      const before = filled;
      try {
        filled = await this.fill(bytes, filled, start);
      } catch (error) {
        const torn = error instanceof Torn ? error : new Torn(filled, error);
        filled = torn.filled;
        attempts = filled > before ? 1 : attempts + 1;
        const mayRetry = failureOf(torn.reason) === 'lost' && !this.over.signal.aborted;
        if (!mayRetry || attempts >= MOST_ATTEMPTS) throw await this.errorOf(torn.reason);
        await nap(FIRST_PAUSE_MS * 2 ** attempts * (0.5 + Math.random() / 2), this.over.signal);
      }
    }
    return { start, bytes };
  }

  /** One request for what is still missing; gives how much of it is there then. */
  private async fill(bytes: Buffer, from: number, start: number): Promise<number> {
    const stop = new AbortController();
    const abort = () => stop.abort();
    this.over.signal.addEventListener('abort', abort, { once: true });
    let timer: NodeJS.Timeout | undefined;
    let filled = from;
    try {
      const idle = new Promise<never>((_, reject) => {
        const tooLong = () => {
          stop.abort();
          reject(new TornTransfer(`no byte came for ${this.idleMs} ms`));
        };
        timer = setTimeout(tooLong, this.idleMs);
      });
      const { bucket, key } = this.place;
      const [at, end] = [start + from, start + bytes.length];
      const { tag } = partsOfVersion(this.version);
      const asked = this.client.get(bucket, key, tag, at, end, stop.signal);
      asked.catch(() => {});
      const { version, chunks } = await Promise.race([asked, idle]);
      // A store may not know the condition that it was asked by.
      if (version !== undefined && version !== tag) throw changed(this.told.path);
      const iterator = chunks[Symbol.asyncIterator]();
      for (;;) {
        const next = iterator.next();
        next.catch(() => {});
        const { value, done } = await Promise.race([next, idle]);
        if (done) break;
        if (filled + value.length > bytes.length)
          throw new Error(`more bytes came than were asked for`);
        bytes.set(value, filled);
        filled += value.length;
        timer?.refresh();
      }
      if (filled < bytes.length)
        throw new TornTransfer(`${filled - from} of ${bytes.length - from} bytes came`);
      return filled;
    } catch (error) {
      // What is not read to its end is let go of; nobody waits for that.
      stop.abort();
      throw new Torn(filled, error);
    } finally {
      clearTimeout(timer);
      this.over.signal.removeEventListener('abort', abort);
    }
  }

  private async errorOf(reason: unknown): Promise<unknown> {
    if (failureOf(reason) !== 'missing') return objectError(reason, this.told);
    // A store that keeps versions says of one that was replaced that it is not there.
    const { bucket, key } = this.place;
    const there = await this.client.look(bucket, key).catch(() => undefined);
    return there ? changed(this.told.path) : objectError(reason, this.told);
  }

  /** Each request said which version it wants. */
  async checkVersion(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    this.over.abort();
    await this.ahead?.block.catch(() => {});
  }
}

/** A transfer that did not come to its end, and how far it came. */
class Torn extends Error {
  constructor(
    readonly filled: number,
    readonly reason: unknown,
  ) {
    super();
  }
}

function holds({ start, bytes }: Block, position: number): boolean {
  return position >= start && position < start + bytes.length;
}
