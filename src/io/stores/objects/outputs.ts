// SPDX-License-Identifier: Apache-2.0
// Outputs in a store of objects, which can rename nothing. A shard is sent to the name that it is to have, and the store
// is told at the commit that it is all: before that nobody sees it. Parts of shards lie in a temporary folder of this
// machine; where other machines write parts too, they are put into the store under hidden names meanwhile.

import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { BeamBridgeError, getLogger, removeAtExit } from '../../../base/index.ts';
import { writeError } from '../../file-error.ts';
import { folderOf, temporaryName } from '../output-names.ts';
import type { Move, Outputs } from '../store.ts';
import type { ObjectClient, Upload } from './client.ts';
import { objectError } from './failures.ts';
import { placeOf } from './path.ts';
import { pieces } from './pieces.ts';
import { type Appeared, appear, takenBack } from './placing.ts';

const log = getLogger('io');
/** How many shards are sent at the same time, each of which holds two pieces. */
const AT_ONCE = 4;

/** A shard that is sent, and wants to appear. */
interface Pending {
  readonly to: string;
  readonly temporary: string;
  readonly upload: Upload;
}

function nameOf({ to, temporary }: Pick<Move, 'to' | 'temporary'>): string {
  return `${temporary}\n${to}`;
}

export class ObjectOutputs implements Outputs {
  readonly separator = '/';
  /** By the output that they are of, and the name that they are to have. */
  private readonly pending = new Map<string, Pending>();
  private readonly placed = new Set<string>();
  /** Temporary folders that are gone, which nothing is sent for any more. */
  private readonly gone = new Set<string>();
  /** What keeps folders of this machine from being removed when the program exits. */
  private readonly kept = new Map<string, () => void>();
  private running = 0;
  private readonly waiting: (() => void)[] = [];
  private workFolder: Promise<string> | undefined;

  constructor(
    private readonly client: ObjectClient,
    /** Brings an object to this machine. */
    private readonly download: (path: string, to: string) => Promise<void>,
  ) {}

  canonical(prefix: string): string {
    return prefix;
  }

  checkWritable(prefix: string): void {
    placeOf(`${prefix}x`);
  }

  async makeTemporary(prefix: string, isOwn: boolean, mark: string | undefined): Promise<string> {
    await this.refuseBucket(prefix);
    if (isOwn) return this.localFolder();
    const random = randomBytes(6).toString('hex');
    return `${folderOf(prefix, '/')}/${temporaryName(prefix, '/', mark)}${random}`;
  }

  /** Asks for what needs no more than the bucket to be there, so that a run does not fail at its end. */
  private async refuseBucket(prefix: string): Promise<void> {
    const { bucket, key } = placeOf(`${prefix}x`);
    try {
      const upload = await this.client.upload(bucket, key);
      await upload.begin();
      await upload.abort();
    } catch (error) {
      throw this.errorOf(error, prefix);
    }
  }

  private async localFolder(): Promise<string> {
    const folder = join(tmpdir(), 'beambridge-parts-');
    try {
      const made = await mkdtemp(folder);
      this.kept.set(made, removeAtExit(made));
      return made;
    } catch (error) {
      throw writeError(error, folder);
    }
  }

  async partFolder(temporary: string): Promise<string> {
    if (!this.isInStore(temporary)) return temporary;
    this.workFolder ??= this.localFolder();
    return this.workFolder;
  }

  async keepPart(temporary: string, path: string): Promise<string> {
    if (!this.isInStore(temporary)) return path;
    const to = `${temporary}/${basename(path)}`;
    const upload = await this.send(to, temporary, () => createReadStream(path), false);
    await this.told(to, () => upload.finish('nothing'));
    await rm(path, { force: true });
    return to;
  }

  async bringPart(temporary: string, path: string): Promise<string> {
    if (!this.isInStore(temporary)) return path;
    const folder = join(await this.partFolder(temporary), 'brought');
    await mkdir(folder, { recursive: true });
    const to = join(folder, `${randomBytes(6).toString('hex')}-${basename(path)}`);
    await this.download(path, to);
    return to;
  }

  async leavePart(temporary: string, path: string): Promise<void> {
    if (this.isInStore(temporary)) await rm(path, { force: true });
  }

  private isInStore(temporary: string): boolean {
    return temporary.startsWith(`${this.client.scheme}://`);
  }

  async complete(
    to: string,
    temporary: string,
    _index: number,
    bytes: () => AsyncIterable<Uint8Array>,
    only: string | undefined,
  ): Promise<Move> {
    // One that an earlier call sent, before whatever made it be asked again.
    await this.giveUp(this.pending.get(nameOf({ to, temporary })));
    await this.turn();
    try {
      const open = only === undefined ? bytes : () => createReadStream(only);
      const upload = await this.send(to, temporary, open, true);
      this.pending.set(nameOf({ to, temporary }), { to, temporary, upload });
      return { from: to, to, temporary };
    } finally {
      this.running -= 1;
      this.waiting.shift()?.();
    }
  }

  private async turn(): Promise<void> {
    while (this.running >= AT_ONCE) await new Promise<void>((next) => this.waiting.push(next));
    this.running += 1;
  }

  /** Sends all bytes; nothing is left of them when that fails. */
  private async send(
    to: string,
    temporary: string,
    open: () => AsyncIterable<Uint8Array>,
    isShard: boolean,
  ): Promise<Upload> {
    const { bucket, key } = placeOf(to);
    const upload = await this.told(to, () => this.client.upload(bucket, key));
    if (isShard) this.pending.set(nameOf({ to, temporary }), { to, temporary, upload });
    try {
      for await (const piece of pieces(open())) {
        this.refuseGone(to, temporary);
        await this.told(to, () => upload.write(piece));
      }
      this.refuseGone(to, temporary);
      return upload;
    } catch (error) {
      await this.giveUp({ to, temporary, upload });
      throw writeError(error, to);
    }
  }

  private refuseGone(to: string, temporary: string): void {
    if (this.gone.has(temporary))
      throw new BeamBridgeError('ABORTED', `${to} is not written: the run is over`);
  }

  private async giveUp(pending: Pending | undefined): Promise<void> {
    if (!pending) return;
    const name = nameOf(pending);
    if (this.pending.get(name)?.upload === pending.upload) this.pending.delete(name);
    await pending.upload.abort().catch((error) => {
      log.warn(
        `${pending.to}: an upload that came to no end could not be given up; a rule of the bucket that aborts incomplete uploads removes it`,
        error,
      );
    });
  }

  async refuseName(): Promise<void> {}

  /**
   * All or none as far as a store of objects can: before the first one appears all are sent, and when one cannot appear
   * those before it are removed again, as `takenBack` tells.
   */
  async place(moves: readonly Move[]): Promise<void> {
    const left = moves.filter((move) => !this.placed.has(nameOf(move)));
    const wanted = left.map((move) => this.wantedOf(move));
    const done: Appeared[] = [];
    for (let at = 0; at < wanted.length; at += AT_ONCE) {
      const some = wanted.slice(at, at + AT_ONCE).map((pending) => this.appear(pending));
      done.push(...(await Promise.all(some)));
      const error = done.find((one) => one.error)?.error;
      if (!error) continue;
      for (const pending of wanted) {
        if (!this.placed.has(nameOf(pending))) await this.giveUp(pending);
      }
      throw await takenBack(this.client, error, done);
    }
  }

  private async appear(pending: Pending): Promise<Appeared> {
    const { to, upload } = pending;
    const appeared = await appear(this.client, to, upload, (...of) => this.errorOf(...of));
    if (!appeared.error) {
      this.pending.delete(nameOf(pending));
      this.placed.add(nameOf(pending));
    }
    return appeared;
  }

  async replace(move: Move): Promise<void> {
    const { error } = await this.appear(this.wantedOf(move));
    if (error) throw error;
    // It may come again with other contents, and there may be any number of them.
    this.placed.delete(nameOf(move));
  }

  private wantedOf(move: Move): Pending {
    const pending = this.pending.get(nameOf(move));
    if (pending) return pending;
    throw new BeamBridgeError('ABORTED', `${move.to} is not written: the run is over`);
  }

  async removeTemporary(folder: string): Promise<void> {
    this.gone.add(folder);
    for (const pending of [...this.pending.values()])
      if (pending.temporary === folder) await this.giveUp(pending);
    if (this.isInStore(folder)) return this.removeAll(`${folder}/`);
    await rm(folder, { recursive: true, force: true }).catch((error) => {
      log.warn(`the temporary folder ${folder} could not be removed`, error);
    });
    this.kept.get(folder)?.();
    this.kept.delete(folder);
  }

  async removeMarked(prefix: string, mark: string): Promise<void> {
    await this.removeAll(`${folderOf(prefix, '/')}/${temporaryName(prefix, '/', mark)}`);
  }

  private async removeAll(begin: string): Promise<void> {
    try {
      const { bucket, key } = placeOf(begin);
      const keys: string[] = [];
      for await (const one of this.client.list(bucket, key)) keys.push(one.key);
      if (keys.length > 0) await this.client.remove(bucket, keys);
    } catch (error) {
      log.warn(`temporary files ${begin}… could not be removed`, error);
    }
  }

  async names(folder: string): Promise<string[]> {
    const names: string[] = [];
    try {
      const { bucket, key } = placeOf(`${folder}/x`);
      const prefix = key.slice(0, -1);
      for await (const one of this.client.list(bucket, prefix)) {
        const name = one.key.slice(prefix.length);
        if (!name.includes('/')) names.push(name);
        if (names.length >= MOST_NAMES) break;
      }
    } catch {
      // It is for a warning only, and who may write may not be allowed to list.
    }
    return names;
  }

  private async told<T>(path: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw this.errorOf(error, path);
    }
  }

  private errorOf(error: unknown, path: string): BeamBridgeError {
    const { credentials } = this.client;
    const { bucket } = placeOf(`${path}x`);
    return objectError(error, { path, bucket, credentials, done: 'written' });
  }
}

/** A folder of millions is not listed for a warning. */
const MOST_NAMES = 10_000;
