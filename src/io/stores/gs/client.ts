// SPDX-License-Identifier: Apache-2.0
// `gs://`: Google's Cloud Storage, and services that speak its JSON API.

import { mapSome } from '../../../base/index.ts';
import { again, isBusy } from '../objects/again.ts';
import { allPages, lookOf, noList, rangeBytes } from '../objects/answers.ts';
import type { ObjectBytes, ObjectClient } from '../objects/client.ts';
import { failureOf } from '../objects/failures.ts';
import { IDLE_MS } from '../objects/store.ts';
import type { GsStoreOptions } from '../options.ts';
import type { FileLook } from '../store.ts';
import { answerOf, GsService, refusalOf, said } from './service.ts';
import { ResumableUpload } from './upload.ts';

interface Page {
  /** Also where nothing is listed. */
  readonly kind?: string;
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
  const look = async (bucket: string, key: string): Promise<FileLook | undefined> => {
    const url = service.urlOf(objectOf(bucket, key), { fields: 'size,generation' });
    try {
      const { text } = await service.repeat(url, { headers: {} });
      const { size, generation } = said<{ size?: string; generation?: string }>(text);
      return lookOf(Number(size ?? Number.NaN), generation);
    } catch (error) {
      if (failureOf(error) === 'missing') return undefined;
      throw error;
    }
  };
  return {
    scheme: 'gs',
    credentials:
      "Credentials are those that Google's packages find: GOOGLE_APPLICATION_CREDENTIALS, those of `gcloud auth application-default login`, or the service account of the machine, in each process that reads or writes. A public bucket wants stores: { gs: { anonymous: true } }.",

    list: (bucket, prefix) =>
      allPages(async (pageToken) => {
        const query = { prefix, pageToken, fields: 'kind,items(name),nextPageToken' };
        const url = service.urlOf(objectsOf(bucket), query);
        const page = said<Page>((await service.repeat(url, { headers: {} })).text);
        if (page.kind === undefined && !page.items && !page.nextPageToken) noList();
        const keys = (page.items ?? []).map(({ name }) => name);
        return { keys, next: page.nextPageToken || undefined };
      }),

    look,

    async get(bucket, key, ifGenerationMatch, start, end, signal): Promise<ObjectBytes> {
      const url = service.urlOf(objectOf(bucket, key), {
        alt: 'media',
        ifGenerationMatch,
      });
      // Otherwise objects that were stored compressed would come as something else.
      const headers = { range: `bytes=${start}-${end - 1}`, 'accept-encoding': 'gzip' };
      const open = async () => {
        const answer = await service.open(url, { headers, signal });
        if (answer.statusCode === 206 || answer.statusCode === 200) return answer;
        throw refusalOf(await answerOf(answer));
      };
      // What is lost is gone on with by whoever reads.
      const answer = await again(isBusy, open, signal);
      const { 'content-range': range, 'content-length': length } = answer.headers;
      const tag = answer.headers['x-goog-generation'];
      const version = typeof tag === 'string' ? tag : undefined;
      const told = { status: answer.statusCode, range, length: Number(length), version };
      return rangeBytes({ ...told, chunks: answer }, start, end);
    },

    upload: async (bucket, key) => new ResumableUpload(service, look, bucket, key),

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
