// SPDX-License-Identifier: Apache-2.0
// What we use of `@aws-sdk/client-s3`.

import { loadPackage } from '../load-package.ts';

type Command<I> = new (input: I) => object;
interface Named {
  readonly Bucket: string;
  readonly Key: string;
}
interface Part {
  readonly PartNumber: number;
  readonly ETag: string | undefined;
  readonly ChecksumCRC32?: string | undefined;
}

export interface S3Client {
  readonly config: { requestChecksumCalculation?(): Promise<string> };
  send(command: object, options?: { abortSignal: AbortSignal }): Promise<unknown>;
}

export interface S3Package {
  readonly S3Client: new (config: object) => S3Client;
  readonly HeadObjectCommand: Command<Named>;
  readonly GetObjectCommand: Command<Named & { Range: string; IfMatch: string }>;
  readonly PutObjectCommand: Command<Named & { Body: Uint8Array }>;
  readonly ListObjectsV2Command: Command<{
    Bucket: string;
    Prefix: string;
    ContinuationToken: string | undefined;
  }>;
  readonly DeleteObjectsCommand: Command<{
    Bucket: string;
    Delete: { Objects: { Key: string }[]; Quiet: true };
  }>;
  readonly CreateMultipartUploadCommand: Command<
    Named & { ChecksumAlgorithm: 'CRC32' | undefined }
  >;
  readonly UploadPartCommand: Command<
    Named & { UploadId: string; PartNumber: number; Body: Uint8Array }
  >;
  readonly CompleteMultipartUploadCommand: Command<
    Named & { UploadId: string; MultipartUpload: { Parts: Part[] } }
  >;
  readonly AbortMultipartUploadCommand: Command<Named & { UploadId: string }>;
}

/** @throws `PACKAGE_NOT_FOUND` when it is not installed */
export function s3Package(): Promise<S3Package> {
  return loadPackage('@aws-sdk/client-s3', 'files of s3://') as Promise<S3Package>;
}
