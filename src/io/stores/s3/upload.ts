// SPDX-License-Identifier: Apache-2.0
// An object of S3 in parts, which appears when they are said to be all. One without bytes is put as it is.

import { createHash } from 'node:crypto';
import type { Before, Upload } from '../objects/client.ts';
import { statusOf, Unsettled } from '../objects/failures.ts';
import { type Outcome, settle } from '../objects/outcome.ts';
import { partsOfVersion } from '../objects/read.ts';
import type { FileLook } from '../store.ts';
import type { S3Client, S3Package } from './package.ts';

interface Begun {
  readonly UploadId?: string;
}
interface Sent {
  readonly ETag?: string;
  readonly ChecksumCRC32?: string;
}

/** What an upload asks of its client. */
export interface Asking {
  send<T>(make: (sdk: S3Package) => object): Promise<T>;
  look(bucket: string, key: string): Promise<FileLook | undefined>;
}

export class MultipartUpload implements Upload {
  private id: string | undefined;
  private readonly parts: { PartNumber: number; ETag: string | undefined }[] = [];
  private size = 0;
  /** Whether the service knew nothing of the upload any more, as of one that became an object. */
  private isGone = false;

  constructor(
    private readonly asking: Asking,
    private readonly loaded: { client: S3Client },
    private readonly Bucket: string,
    private readonly Key: string,
  ) {}

  async begin(): Promise<void> {
    const { Bucket, Key } = this;
    const rule = await this.loaded.client.config.requestChecksumCalculation?.();
    // The parts' own are refused where the upload was begun without.
    const ChecksumAlgorithm = rule === 'WHEN_SUPPORTED' ? ('CRC32' as const) : undefined;
    const { UploadId }: Begun = await this.asking.send(
      (sdk) => new sdk.CreateMultipartUploadCommand({ Bucket, Key, ChecksumAlgorithm }),
    );
    if (!UploadId) throw new Error('the service began an upload and did not say which');
    this.id = UploadId;
  }

  async write(Body: Buffer): Promise<void> {
    const { Bucket, Key } = this;
    if (this.id === undefined) await this.begin();
    const PartNumber = this.parts.length + 1;
    const input = { Bucket, Key, UploadId: this.id!, PartNumber, Body };
    const { ETag, ChecksumCRC32 }: Sent = await this.asking.send(
      (sdk) => new sdk.UploadPartCommand(input),
    );
    if (!ETag) throw new Error('the service does not say that it has a part');
    this.parts.push({ PartNumber, ETag, ...(ChecksumCRC32 && { ChecksumCRC32 }) });
    this.size += Body.length;
  }

  async finish(before: Before): Promise<void> {
    const { Bucket, Key, id } = this;
    const Body = Buffer.alloc(0);
    const make = (sdk: S3Package) => {
      if (id === undefined) return new sdk.PutObjectCommand({ Bucket, Key, Body });
      const MultipartUpload = { Parts: this.parts };
      return new sdk.CompleteMultipartUploadCommand({ Bucket, Key, UploadId: id, MultipartUpload });
    };
    try {
      const { ETag }: Sent = await this.asking.send(make);
      // Something in between answers with a page, and 200.
      if (!ETag) throw new Error('the service does not say that the object is there');
      await this.check(ETag);
    } catch (error) {
      await settle(error, () => this.outcome(before));
    }
    this.id = undefined;
  }

  /** Whether what is there is what was sent, as far as that can be seen. */
  private async check(ETag: string): Promise<void> {
    // Who may write may not be allowed to look.
    const found = await this.found().catch(() => 'unseen' as const);
    if (found === 'unseen') return;
    if (found === undefined)
      throw new Error('the service says that the object is there, and has none');
    const tag = tagOf(found);
    // Of another tag it is one that another run wrote meanwhile.
    if (found.size === this.size || (tag !== '' && tag !== bare(ETag))) return;
    this.id = undefined;
    const reason = `the service made an object of ${found.size} bytes, of ${this.size}`;
    throw new Unsettled('there', new Error(reason));
  }

  private async outcome(before: Before): Promise<Outcome> {
    if (this.isOurs(await this.found(), before)) return 'there';
    if (this.parts.length === 0) return 'open';
    // Behind this what was sent cannot become an object.
    await this.abort();
    return this.isOurs(await this.found(), before) ? 'there' : 'over';
  }

  private found(): Promise<FileLook | undefined> {
    return this.asking.look(this.Bucket, this.Key);
  }

  private isOurs(found: FileLook | undefined, before: Before): boolean {
    if (!found || found.size !== this.size) return false;
    if (this.parts.length === 0 || this.isGone) return true;
    // By its bytes, whoever wrote them.
    if (tagOf(found) === this.tagOfParts()) return true;
    if (before === 'unknown') return false;
    return before === 'nothing' || tagOf(before) !== tagOf(found);
  }

  /** The tag that Amazon's S3 and most services give to these parts together, unless they are encrypted. */
  private tagOfParts(): string | undefined {
    const tags = this.parts.map(({ ETag = '' }) => bare(ETag));
    if (!tags.every((tag) => /^[0-9a-f]{32}$/.test(tag))) return undefined;
    const all = createHash('md5').update(Buffer.from(tags.join(''), 'hex'));
    return `${all.digest('hex')}-${tags.length}`;
  }

  async abort(): Promise<void> {
    const { Bucket, Key, id: UploadId } = this;
    if (UploadId === undefined) return;
    try {
      await this.asking.send(
        (sdk) => new sdk.AbortMultipartUploadCommand({ Bucket, Key, UploadId }),
      );
    } catch (error) {
      // It is over already.
      if (statusOf(error) !== 404) throw error;
      this.isGone = true;
    }
    this.id = undefined;
  }
}

function bare(tag: string): string {
  return tag.replaceAll('"', '');
}

function tagOf({ version }: FileLook): string {
  return bare(partsOfVersion(version).tag);
}
