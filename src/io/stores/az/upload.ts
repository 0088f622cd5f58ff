// SPDX-License-Identifier: Apache-2.0
// A blob of Azure in blocks, which nobody sees before their list is committed.

import { randomBytes } from 'node:crypto';
import { isPassing } from '../objects/again.ts';
import type { Upload } from '../objects/client.ts';
import { failureOf } from '../objects/failures.ts';
import { type Outcome, settle } from '../objects/outcome.ts';
import { attempt } from './attempt.ts';
import type { BlockBlob } from './package.ts';

/** How the service calls a list of blocks of which it has not all. */
const UNKNOWN_BLOCKS = /InvalidBlockList/;

export class BlockUpload implements Upload {
  private readonly ids: string[] = [];
  /** Whoever else writes the same name has other blocks. */
  private readonly mark = randomBytes(9).toString('hex');

  constructor(
    private readonly blob: BlockBlob,
    private readonly path: string,
    private readonly idleMs: number,
  ) {}

  /** Stages a block of no use, of which nothing remains: a service can be asked for nothing less. */
  async begin(): Promise<void> {
    await this.stage(this.idOf(0), Buffer.from('?'));
  }

  async write(bytes: Buffer): Promise<void> {
    const id = this.idOf(this.ids.length + 1);
    await this.stage(id, bytes);
    this.ids.push(id);
  }

  /** Of one length for all, as the service wants it. */
  private idOf(number: number): string {
    return Buffer.from(`${this.mark}-${`${number}`.padStart(6, '0')}`).toString('base64');
  }

  private async stage(id: string, bytes: Buffer): Promise<void> {
    await attempt(this.idleMs, (options) => this.blob.stageBlock(id, bytes, bytes.length, options));
  }

  async finish(): Promise<void> {
    try {
      const { etag } = await attempt(this.idleMs, (options) =>
        this.blob.commitBlockList(this.ids, options),
      );
      if (!etag) throw new Error('the service does not say that the blob is there');
    } catch (error) {
      await settle(this.told(error), () => this.outcome(error));
    }
  }

  private told(error: unknown): unknown {
    const { code } = (error ?? {}) as { code?: string };
    if (!UNKNOWN_BLOCKS.test(`${code}`)) return error;
    return new Error(
      `another run wrote ${this.path} meanwhile, with which what was sent of this one is gone; run it again`,
      { cause: error },
    );
  }

  /** Nothing can have the service let go of blocks, and so of a list that it is still at. */
  private async outcome(error: unknown): Promise<Outcome> {
    if (await this.isThere()) return 'there';
    return isPassing(error) ? 'open' : 'over';
  }

  private async isThere(): Promise<boolean> {
    try {
      if (this.ids.length === 0) {
        const found = await attempt(this.idleMs, (options) => this.blob.getProperties(options));
        return found.contentLength === 0;
      }
      const { committedBlocks = [] } = await attempt(this.idleMs, (options) =>
        this.blob.getBlockList('committed', options),
      );
      return committedBlocks.map(({ name }) => name).join() === this.ids.join();
    } catch (error) {
      if (failureOf(error) === 'missing') return false;
      throw error;
    }
  }

  /** Blocks that are in no list cannot be removed; the service does it after a week. */
  async abort(): Promise<void> {}
}
