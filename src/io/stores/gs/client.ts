// SPDX-License-Identifier: Apache-2.0
// `gs://`: Google's Cloud Storage, and services that speak its JSON API.

import { mapSome } from '../../../base/index.ts';
import { again, isBusy } from '../objects/again.ts';
import type { ListedObject, ObjectBytes, ObjectClient } from '../objects/client.ts';
import { failureOf } from '../objects/failures.ts';
import { versionText } from '../objects/read.ts';
import { IDLE_MS } from '../objects/store.ts';
import type { GsStoreOptions } from '../options.ts';
import type { FileLook } from '../store.ts';
import { answerOf, GsService, refusalOf } from './service.ts';
import { ResumableUpload } from './upload.ts';

interface Page {
  readonly items?: readonly { readonly name: string }[];
  readonly nextPageToken?: string;
}

function objectsOf(bucket: string): string {
  return `/storage/v1/b/${encodeURIComponent(bucket)}/o`;
}

function objectOf(bucket: string, key: string): string {
  return `${objectsOf(bucket)}/${encodeURIComponent(key)}`;
}

/** @param idleMs - after so long without a byte either way a request is tried again */
export function gsObjects(options: GsStoreOptions = {}, idleMs = IDLE_MS): ObjectClient {
  const service = new GsService(options, idleMs);
  return {
    scheme: 'gs',
    credentials:
      "Credentials are those that Google's packages find: GOOGLE_APPLICATION_CREDENTIALS, those of `gcloud auth application-default login`, or the service account of the machine, in each process that reads or writes. A public bucket wants stores: { gs: { anonymous: true } }.",

    async *list(bucket, prefix): AsyncGenerator<ListedObject> {
      let pageToken: string | undefined;
      do {
        const query = { prefix, pageToken, fields: 'items(name),nextPageToken' };
        const { text } = await service.repeat(service.urlOf(objectsOf(bucket), query), {
          headers: {},
        });
        const page = JSON.parse(text) as Page;
        for (const { name } of page.items ?? []) yield { key: name };
        pageToken = page.nextPageToken;
      } while (pageToken !== undefined && pageToken !== '');
    },

    async look(bucket, key): Promise<FileLook | undefined> {
      const url = service.urlOf(objectOf(bucket, key), { fields: 'size,generation' });
      try {
        const { text } = await service.repeat(url, { headers: {} });
        const { size, generation } = JSON.parse(text) as { size: string; generation: string };
        return { size: Number(size), version: versionText(Number(size), generation) };
      } catch (error) {
        if (failureOf(error) === 'missing') return undefined;
        throw error;
      }
    },

    async get(bucket, key, version, start, end, signal): Promise<ObjectBytes> {
      const url = service.urlOf(objectOf(bucket, key), {
        alt: 'media',
        ifGenerationMatch: version,
      });
      // Otherwise objects that were stored compressed would come as something else.
      const headers = { range: `bytes=${start}-${end - 1}`, 'accept-encoding': 'gzip' };
      const open = async () => {
        const answer = await service.open(url, { headers, signal });
        if (answer.statusCode === 206) return answer;
        if (answer.statusCode !== 200) throw refusalOf(await answerOf(answer));
        answer.destroy();
        throw new Error('the service gives no parts of objects');
      };
      // What is lost is gone on with by whoever reads.
      const answer = await again(isBusy, open, signal);
      const range = `bytes ${start}-${end - 1}/`;
      if (!answer.headers['content-range']?.startsWith(range)) {
        answer.destroy();
        throw new Error(`the service gives ${answer.headers['content-range']}, and not ${range}`);
      }
      const tag = answer.headers['x-goog-generation'];
      return { version: typeof tag === 'string' ? tag : undefined, chunks: answer };
    },

    upload: async (bucket, key) => new ResumableUpload(service, bucket, key),

    async remove(bucket, keys) {
      await mapSome([...keys], async (key) => {
        try {
          await service.repeat(service.urlOf(objectOf(bucket, key), {}), {
            method: 'DELETE',
            headers: {},
          });
        } catch (error) {
          if (failureOf(error) !== 'missing') throw error;
        }
      });
    },
  };
}
