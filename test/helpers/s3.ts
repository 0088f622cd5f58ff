// SPDX-License-Identifier: Apache-2.0
// An S3 service for one test file: s3rver on a folder, behind a proxy that can be slow, lose connections and refuse, and
// that knows how to give up an upload, which s3rver does not. With TEST_S3_ENDPOINT it is the service there.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import type { StoreOptions } from '../../src/io/index.ts';
import { type Fault, listening, pass } from './faults.ts';

export interface TestS3 extends AsyncDisposable {
  readonly stores: StoreOptions;
  readonly requests: string[];
  /** Decides what becomes of a request; a new bucket's begin with none. */
  fault: ((method: string, url: string) => Fault | undefined) | undefined;
  put(key: string, body: string | Uint8Array): Promise<void>;
  get(key: string): Promise<string>;
  keys(): Promise<string[]>;
  /** Uploads that were begun, and neither ended nor given up. */
  openUploads(): Promise<string[]>;
}

export const BUCKET = 'birds';
/** Where s3rver keeps the parts of uploads. */
const UPLOADS = '._S3rver_uploads';

export async function startS3(): Promise<TestS3> {
  process.env.AWS_ACCESS_KEY_ID = 'S3RVER';
  process.env.AWS_SECRET_ACCESS_KEY = 'S3RVER';
  const directory = mkdtempSync(join(tmpdir(), 'beambridge-s3-'));
  const given = process.env.TEST_S3_ENDPOINT;
  const server = createServer(given ? undefined : await s3rver(directory));
  const port = given ? Number(new URL(given).port) : await listening(server);
  const requests: string[] = [];
  const proxy = createServer((incoming, outgoing) => {
    const { method = '', url = '' } = incoming;
    requests.push(`${method} ${url}`);
    const upload = /[?&]uploadId=(\w+)/.exec(url)?.[1];
    let fault = test.fault?.(method, url);
    const isLast = method === 'DELETE' || method === 'POST';
    if (!given && isLast && upload !== undefined) {
      const parts = join(directory, BUCKET, UPLOADS, upload);
      // Of one that is over s3rver would make an object of nothing.
      if (!existsSync(parts) && !(fault && 'status' in fault))
        fault = { status: 404, code: 'NoSuchUpload' };
      if (method === 'DELETE' && !fault) {
        rmSync(parts, { recursive: true });
        outgoing.writeHead(204).end();
        return;
      }
    }
    pass(incoming, outgoing, port, fault, refusal);
  });
  const endpoint = `http://127.0.0.1:${await listening(proxy)}`;
  const s3 = { endpoint, region: 'us-east-1', forcePathStyle: true };
  // To the service itself, past the faults.
  const client = new S3Client({ ...s3, endpoint: `http://127.0.0.1:${port}` });
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
  const test: TestS3 = {
    stores: { s3 },
    requests,
    fault: undefined,
    async put(Key, Body) {
      await client.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body }));
    },
    async get(Key) {
      const { Body } = await client.send(new GetObjectCommand({ Bucket: BUCKET, Key }));
      return Body!.transformToString();
    },
    async keys() {
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: BUCKET }));
      return Contents.map(({ Key }) => Key!);
    },
    async openUploads() {
      if (given) {
        const { Uploads = [] } = await client.send(
          new ListMultipartUploadsCommand({ Bucket: BUCKET }),
        );
        return Uploads.map(({ UploadId }) => UploadId!);
      }
      const uploads = join(directory, BUCKET, UPLOADS);
      mkdirSync(uploads, { recursive: true });
      return readdirSync(uploads);
    },
    async [Symbol.asyncDispose]() {
      client.destroy();
      for (const one of [proxy, server]) {
        one.closeAllConnections();
        await new Promise((resolve) => one.close(resolve));
      }
      rmSync(directory, { recursive: true, force: true });
    },
  };
  return test;
}

async function s3rver(directory: string) {
  const name = 's3rver';
  const { default: S3rver } = (await import(name)) as {
    default: new (
      options: object,
    ) => { callback(): (q: IncomingMessage, s: ServerResponse) => void };
  };
  const options = { directory, silent: true, allowMismatchedSignatures: true };
  return new S3rver(options).callback();
}

/** An error as the service writes it. */
function refusal(code: string) {
  return {
    type: 'application/xml',
    body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>as the test wants it</Message></Error>`,
  };
}
