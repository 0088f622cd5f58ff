// SPDX-License-Identifier: Apache-2.0
// Azure's Blob Storage for one test file: azurite, in a process of its own, behind a proxy with faults.

import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { BlobServiceClient } from '@azure/storage-blob';
import { execa } from 'execa';
import { listening, pass } from './faults.ts';
import { BUCKET, type TestStore } from './gs.ts';

/** The account and the key that azurite has from the start, as its documentation tells. */
const ACCOUNT = 'devstoreaccount1';
const KEY =
  'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

function refusal(code: string) {
  return {
    type: 'application/xml',
    body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>as the test wants it</Message></Error>`,
  };
}

export async function startAz(): Promise<TestStore> {
  process.env.AZURE_STORAGE_KEY = KEY;
  const azurite = execa(
    'node',
    [
      'node_modules/azurite/dist/src/blob/main.js',
      ...['--blobHost', '127.0.0.1', '--blobPort', '0', '--inMemoryPersistence'],
      ...['--skipApiVersionCheck', '--disableTelemetry'],
    ],
    { cleanup: true, reject: false },
  );
  let port = 0;
  for await (const line of createInterface(azurite.stdout)) {
    port = Number(/successfully listens? on http:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1] ?? 0);
    if (port > 0) break;
  }
  if (port === 0) throw new Error(`azurite did not start: ${(await azurite).stderr}`);
  azurite.stdout.resume();
  const requests: string[] = [];
  const proxy = createServer((incoming, outgoing) => {
    const { method = '', url = '' } = incoming;
    requests.push(`${method} ${url}`);
    pass(incoming, outgoing, port, store.fault?.(method, url), refusal);
  });
  const endpoint = `http://127.0.0.1:${await listening(proxy)}/${ACCOUNT}`;
  const container = BlobServiceClient.fromConnectionString(
    `DefaultEndpointsProtocol=http;AccountName=${ACCOUNT};AccountKey=${KEY};BlobEndpoint=http://127.0.0.1:${port}/${ACCOUNT};`,
  ).getContainerClient(BUCKET);
  await container.create();
  const store: TestStore = {
    scheme: 'az',
    stores: { az: { account: ACCOUNT, endpoint } },
    requests,
    fault: undefined,
    async put(key, body) {
      const bytes = Buffer.from(body);
      await container.getBlockBlobClient(key).upload(bytes, bytes.length);
    },
    get: async (key) => (await container.getBlobClient(key).downloadToBuffer()).toString(),
    async keys() {
      const keys: string[] = [];
      for await (const { name } of container.listBlobsFlat()) keys.push(name);
      return keys.sort();
    },
    openUploads: () => undefined,
    async [Symbol.asyncDispose]() {
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
      azurite.kill();
      await azurite;
    },
  };
  return store;
}
