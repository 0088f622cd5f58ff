// SPDX-License-Identifier: Apache-2.0
// What we use of `@azure/storage-blob` and `@azure/identity`.

import { loadPackage } from '../load-package.ts';

interface Properties {
  readonly contentLength?: number;
  readonly etag?: string;
  /** Where an account has folders, they are objects, with a mark here. */
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface Sending {
  readonly abortSignal: AbortSignal;
  /** Called as bytes go out. */
  readonly onProgress?: () => void;
}

export interface BlockBlob {
  getProperties(options: Sending): Promise<Properties>;
  download(
    offset: number,
    count: number,
    options: Sending & { readonly conditions: { ifMatch: string }; readonly maxRetryRequests: 0 },
  ): Promise<
    Properties & {
      readonly contentRange?: string;
      readonly readableStreamBody?: AsyncIterable<Uint8Array>;
      readonly _response: { readonly status: number };
    }
  >;
  stageBlock(id: string, body: Uint8Array, length: number, options: Sending): Promise<unknown>;
  commitBlockList(ids: readonly string[], options: Sending): Promise<{ readonly etag?: string }>;
  getBlockList(
    kind: 'committed',
    options: Sending,
  ): Promise<{ readonly committedBlocks?: readonly { readonly name: string }[] }>;
  deleteIfExists(options: Sending): Promise<unknown>;
}

export interface ListedBlob {
  readonly name: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface BlobContainer {
  getBlockBlobClient(name: string): BlockBlob;
  listBlobsFlat(options: { prefix: string; includeMetadata: true; abortSignal: AbortSignal }): {
    byPage(options: { continuationToken?: string | undefined }): AsyncIterator<{
      readonly segment?: { readonly blobItems?: readonly ListedBlob[] };
      readonly continuationToken?: string;
    }>;
  };
}

export interface BlobService {
  getContainerClient(name: string): BlobContainer;
}

interface Options {
  readonly retryOptions: {
    readonly maxTries: number;
    readonly retryDelayInMs: number;
    readonly maxRetryDelayInMs: number;
  };
}

interface BlobPackage {
  readonly BlobServiceClient: {
    new (url: string, credential: object, options: Options): BlobService;
    fromConnectionString(text: string, options: Options): BlobService;
  };
  readonly StorageSharedKeyCredential: new (account: string, key: string) => object;
  readonly AnonymousCredential: new () => object;
}

/** @throws `PACKAGE_NOT_FOUND` when it is not installed */
export function blobPackage(): Promise<BlobPackage> {
  return loadPackage('@azure/storage-blob', 'files of az://') as Promise<BlobPackage>;
}

/**
 * Credentials as Azure's packages find them: of the environment, a managed identity, or `az login`.
 *
 * @throws `PACKAGE_NOT_FOUND` when it is not installed
 */
export async function azureCredential(): Promise<object> {
  const what = 'files of az:// without AZURE_STORAGE_KEY and the like';
  const identity = (await loadPackage('@azure/identity', what)) as {
    DefaultAzureCredential: new () => object;
  };
  return new identity.DefaultAzureCredential();
}
