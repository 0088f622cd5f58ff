// SPDX-License-Identifier: Apache-2.0
// A blob of Azure in blocks, which nobody sees before their list is committed.

import { randomBytes } from 'node:crypto';
import type { Upload } from '../objects/client.ts';
import { failureOf } from '../objects/failures.ts';
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
      await attempt(this.idleMs, (options) => this.blob.commitBlockList(this.ids, options));
    } catch (error) {
      if (await this.isThere(error)) return;
      const { code } = (error ?? {}) as { code?: string };
      if (!UNKNOWN_BLOCKS.test(`${code}`)) throw error;
      throw new Error(
        `another run wrote ${this.path} meanwhile, with which what was sent of this one is gone; run it again`,
        { cause: error },
      );
    }
  }

  /** Whether it appeared, although the answer that told so was lost. */
  private async isThere(error: unknown): Promise<boolean> {
    if (failureOf(error) === 'refused' || this.ids.length === 0) return false;
    const list = await attempt(this.idleMs, (options) =>
      this.blob.getBlockList('committed', options),
    ).catch(() => undefined);
    const names = list?.committedBlocks?.map(({ name }) => name);
    return names !== undefined && names.join() === this.ids.join();
  }

  /** Blocks that are in no list cannot be removed; the service does it after a week. */
  async abort(): Promise<void> {}
}
