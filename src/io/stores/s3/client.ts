// SPDX-License-Identifier: Apache-2.0
// `s3://`, by the AWS SDK: Amazon's S3, and services that speak its protocol.

import { allPages, lookOf, noList, rangeBytes } from '../objects/answers.ts';
import type { ObjectBytes, ObjectClient } from '../objects/client.ts';
import { statusOf } from '../objects/failures.ts';
import { IDLE_MS } from '../objects/store.ts';
import type { S3StoreOptions } from '../options.ts';
import type { FileLook } from '../store.ts';
import { type S3Client, type S3Package, s3Package } from './package.ts';
import { MultipartUpload } from './upload.ts';

/** How many keys one request removes. */
const MOST_KEYS = 1000;

interface Head {
  readonly ContentLength?: number;
  readonly ETag?: string;
}
interface Page {
  readonly IsTruncated?: boolean;
  readonly Contents?: readonly { readonly Key?: string }[];
  readonly NextContinuationToken?: string;
}
interface Body extends Head {
  readonly ContentRange?: string;
  readonly Body: AsyncIterable<Uint8Array>;
  readonly $metadata: { readonly httpStatusCode?: number };
}
interface Removed {
  readonly Errors?: readonly { readonly Key?: string; readonly Message?: string }[];
}

/** @param idleMs - after so long without a byte either way a request is tried again */
export function s3Objects(options: S3StoreOptions = {}, idleMs = IDLE_MS): ObjectClient {
  let loading: Promise<{ sdk: S3Package; client: S3Client }> | undefined;
  const loaded = () => {
    loading ??= s3Package().then((sdk) => ({
      sdk,
      client: new sdk.S3Client({ ...given(options), requestHandler: { socketTimeout: idleMs } }),
    }));
    // A package may be installed before the next run of a program that goes on.
    loading.catch(() => {
      loading = undefined;
    });
    return loading;
  };
  const send = async <T>(make: (sdk: S3Package) => object, signal?: AbortSignal): Promise<T> => {
    const { sdk, client } = await loaded();
    return (await client.send(make(sdk), signal && { abortSignal: signal })) as T;
  };
  const look = async (Bucket: string, Key: string): Promise<FileLook | undefined> => {
    try {
      const head: Head = await send((sdk) => new sdk.HeadObjectCommand({ Bucket, Key }));
      return lookOf(head.ContentLength, head.ETag);
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }
  };
  return {
    scheme: 's3',
    credentials:
      'Credentials are those that the AWS SDK finds: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or the role of the machine, in each process that reads or writes.',

    list: (Bucket, Prefix) =>
      allPages(async (ContinuationToken) => {
        const input = { Bucket, Prefix, ContinuationToken };
        return pageOf(await send((sdk) => new sdk.ListObjectsV2Command(input)));
      }),

    look,

    async get(Bucket, Key, IfMatch, start, end, signal): Promise<ObjectBytes> {
      const input = { Bucket, Key, IfMatch, Range: `bytes=${start}-${end - 1}` };
      const answer: Body = await send((sdk) => new sdk.GetObjectCommand(input), signal);
      const { ETag, ContentLength, ContentRange, Body, $metadata } = answer;
      const status = $metadata.httpStatusCode;
      const told = { status, range: ContentRange, length: ContentLength };
      return rangeBytes({ ...told, version: ETag, chunks: Body }, start, end);
    },

    upload: async (bucket, key) => new MultipartUpload({ send, look }, await loaded(), bucket, key),

    async remove(Bucket, keys) {
      for (let at = 0; at < keys.length; at += MOST_KEYS) {
        const Objects = keys.slice(at, at + MOST_KEYS).map((Key) => ({ Key }));
        const input = { Bucket, Delete: { Objects, Quiet: true as const } };
        const { Errors = [] }: Removed = await send((sdk) => new sdk.DeleteObjectsCommand(input));
        if (Errors.length > 0) throw new Error(`${Errors[0]!.Key}: ${Errors[0]!.Message}`);
      }
    },
  };
}

function given({ endpoint, region, forcePathStyle, profile }: S3StoreOptions): object {
  return {
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
    ...(forcePathStyle !== undefined && { forcePathStyle }),
    ...(profile !== undefined && { profile }),
  };
}

function pageOf({ IsTruncated, Contents = [], NextContinuationToken: next }: Page) {
  if (IsTruncated === undefined) noList();
  if (IsTruncated && !next)
    throw new Error('the service has more objects than it lists, and does not say how to go on');
  const keys = Contents.flatMap(({ Key }) => (Key === undefined ? [] : [Key]));
  return { keys, next: IsTruncated ? next : undefined };
}
