// SPDX-License-Identifier: Apache-2.0
// `az://`: Azure's Blob Storage, by its package; what it calls a container is the bucket.

import { BeamBridgeError, mapSome } from '../../../base/index.ts';
import { again } from '../objects/again.ts';
import { allPages, lookOf, noList, rangeBytes } from '../objects/answers.ts';
import type { ObjectBytes, ObjectClient } from '../objects/client.ts';
import { failureOf } from '../objects/failures.ts';
import { IDLE_MS } from '../objects/store.ts';
import type { AzStoreOptions } from '../options.ts';
import type { FileLook } from '../store.ts';
import { azService } from './account.ts';
import { attempt, isThrottled } from './attempt.ts';
import type { BlobService, BlockBlob, ListedBlob } from './package.ts';
import { BlockUpload } from './upload.ts';

/** Accounts with folders list them as blobs. */
function isFolder({ metadata }: Pick<ListedBlob, 'metadata'>): boolean {
  return metadata?.hdi_isfolder === 'true';
}

/** @throws `INVALID_ARGUMENT` for a name that Azure's package makes another one of in its URL, which would be written */
function refuseName(container: string, name: string): void {
  if (!/\\|(?:^|\/)\.\.?(?:\/|$)/.test(name)) return;
  throw new BeamBridgeError(
    'INVALID_ARGUMENT',
    `az://${container}/${name}: Azure's package makes another name of it`,
    { hint: 'Names in Azure can have no backslash, and no part that is . or .. here.' },
  );
}

/** @param idleMs - after so long without a byte either way a request is tried again */
export function azObjects(options: AzStoreOptions = {}, idleMs = IDLE_MS): ObjectClient {
  let making: Promise<BlobService> | undefined;
  const service = () => {
    making ??= azService(options);
    // A package may be installed before the next run of a program that goes on.
    making.catch(() => {
      making = undefined;
    });
    return making;
  };
  const blobOf = async (container: string, name: string): Promise<BlockBlob> => {
    refuseName(container, name);
    return (await service()).getContainerClient(container).getBlockBlobClient(name);
  };
  return {
    scheme: 'az',
    credentials:
      'Credentials are AZURE_STORAGE_CONNECTION_STRING, or for AZURE_STORAGE_ACCOUNT those of AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, or what @azure/identity finds (a managed identity, az login), in each process that reads or writes.',

    list: (container, prefix) =>
      allPages(async (continuationToken) => {
        const client = (await service()).getContainerClient(container);
        const page = await attempt(idleMs, async ({ abortSignal }) => {
          const listed = client.listBlobsFlat({ prefix, includeMetadata: true, abortSignal });
          return (await listed.byPage({ continuationToken }).next()).value;
        });
        const blobs: readonly ListedBlob[] = page?.segment?.blobItems ?? noList();
        const keys = blobs.filter((blob) => !isFolder(blob)).map(({ name }) => name);
        return { keys, next: page?.continuationToken || undefined };
      }),

    async look(container, name): Promise<FileLook | undefined> {
      // Of a pattern, which is looked at as a name first.
      if (name.includes('\\')) return undefined;
      const blob = await blobOf(container, name);
      try {
        const found = await attempt(idleMs, (sending) => blob.getProperties(sending));
        if (isFolder(found)) return undefined;
        return lookOf(found.contentLength, found.etag);
      } catch (error) {
        if (failureOf(error) === 'missing') return undefined;
        throw error;
      }
    },

    async get(container, name, ifMatch, start, end, abortSignal): Promise<ObjectBytes> {
      const blob = await blobOf(container, name);
      const options = {
        conditions: { ifMatch },
        // What is torn is gone on with by whoever reads.
        maxRetryRequests: 0 as const,
        abortSignal,
      };
      const ask = () => blob.download(start, end - start, options);
      const answer = await again(isThrottled, ask, abortSignal);
      const { contentRange: range, contentLength: length, etag: version } = answer;
      const told = { status: answer._response.status, range, length, version };
      return rangeBytes({ ...told, chunks: answer.readableStreamBody! }, start, end);
    },

    upload: async (container, name) =>
      new BlockUpload(await blobOf(container, name), `az://${container}/${name}`, idleMs),

    async remove(container, names) {
      await mapSome([...names], async (name) => {
        const blob = await blobOf(container, name);
        await attempt(idleMs, (sending) => blob.deleteIfExists(sending));
      });
    },
  };
}
