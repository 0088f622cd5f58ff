// SPDX-License-Identifier: Apache-2.0
// Which storage account `az://` is of, and by which credentials it is reached. Variables are those of Azure's command line.

import { BeamBridgeError } from '../../../base/index.ts';
import type { AzStoreOptions } from '../options.ts';
import { azureCredential, type BlobService, blobPackage } from './package.ts';

/** The package would wait for seconds before its second attempt. */
const OPTIONS = { retryOptions: { maxTries: 5, retryDelayInMs: 200, maxRetryDelayInMs: 20_000 } };

/** @throws `INVALID_ARGUMENT` where nothing names an account, `PACKAGE_NOT_FOUND` */
export async function azService(options: AzStoreOptions): Promise<BlobService> {
  const sdk = await blobPackage();
  const { env } = process;
  const { anonymous = false } = options;
  const isNamed = options.account !== undefined || options.endpoint !== undefined;
  const connection = env.AZURE_STORAGE_CONNECTION_STRING;
  if (connection && !isNamed && !anonymous)
    return sdk.BlobServiceClient.fromConnectionString(connection, OPTIONS);
  const account = options.account ?? env.AZURE_STORAGE_ACCOUNT ?? '';
  const url = options.endpoint ?? (account && `https://${account}.blob.core.windows.net`);
  if (!url) {
    throw new BeamBridgeError('INVALID_ARGUMENT', 'az://: nothing names the storage account', {
      hint: "Say stores: { az: { account: '…' } }, or set AZURE_STORAGE_ACCOUNT or AZURE_STORAGE_CONNECTION_STRING where files are read and written.",
    });
  }
  const make = (credential: object, query = '') =>
    new sdk.BlobServiceClient(url + query, credential, OPTIONS);
  if (anonymous) return make(new sdk.AnonymousCredential());
  if (env.AZURE_STORAGE_KEY && account)
    return make(new sdk.StorageSharedKeyCredential(account, env.AZURE_STORAGE_KEY));
  const token = env.AZURE_STORAGE_SAS_TOKEN;
  if (token) return make(new sdk.AnonymousCredential(), `?${token.replace(/^\?/, '')}`);
  return make(await azureCredential());
}
