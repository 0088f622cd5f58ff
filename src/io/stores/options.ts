// SPDX-License-Identifier: Apache-2.0
// What a program may say of its stores. It travels with the program to wherever files are read, and so holds no secret:
// credentials are those that the store's own package finds there.

import { BeamBridgeError, checkOptionNames, type OptionNames } from '../../base/index.ts';
import { describeValue } from '../../coders/index.ts';

/** Where `s3://` is. What is left out is as the AWS SDK has it: from `AWS_REGION`, `AWS_ENDPOINT_URL_S3`, `~/.aws/config`. */
export interface S3StoreOptions {
  /** The URL of the service, for one that is not Amazon's. */
  endpoint?: string;
  region?: string;
  /** Whether a bucket is a part of the path instead of the host's name, as many services want it. @default false */
  forcePathStyle?: boolean;
  /** A profile of `~/.aws`. */
  profile?: string;
}

/** Where `gs://` is. */
export interface GsStoreOptions {
  /** The URL of the service, for one that is not Google's. @default `STORAGE_EMULATOR_HOST`, or Google's */
  endpoint?: string;
  /** Whether requests go without credentials, as is enough for public buckets and emulators. @default false */
  anonymous?: boolean;
  /** The project that pays for the requests, where a bucket has whoever asks pay. */
  userProject?: string;
}

/** Where `az://` is. What is left out is in `AZURE_STORAGE_CONNECTION_STRING` or `AZURE_STORAGE_ACCOUNT`. */
export interface AzStoreOptions {
  /** The name of the storage account that the containers are of. */
  account?: string;
  /** The URL of the account's blobs, for one that is not `https://ACCOUNT.blob.core.windows.net`. */
  endpoint?: string;
  /** Whether requests go without credentials, as is enough for public containers. @default false */
  anonymous?: boolean;
}

/** Where files are, as far as the environment does not say it. */
export interface StoreOptions {
  s3?: S3StoreOptions;
  gs?: GsStoreOptions;
  az?: AzStoreOptions;
  /** After how long without a byte a transfer is begun anew, in milliseconds. @default 60,000 */
  idleTimeout?: number;
}

const OPTIONS: OptionNames<StoreOptions> = {
  s3: true,
  gs: true,
  az: true,
  idleTimeout: true,
};
const S3: OptionNames<S3StoreOptions> = {
  endpoint: true,
  region: true,
  forcePathStyle: true,
  profile: true,
};
const GS: OptionNames<GsStoreOptions> = { endpoint: true, anonymous: true, userProject: true };
const AZ: OptionNames<AzStoreOptions> = { account: true, endpoint: true, anonymous: true };

const NO_SECRETS =
  'Credentials are never options: they are those that the SDK finds in the environment of each process, such as AWS_ACCESS_KEY_ID, GOOGLE_APPLICATION_CREDENTIALS and AZURE_STORAGE_KEY.';

/** @throws `INVALID_ARGUMENT` for options that there are not, and credentials */
export function checkStores(transform: string, stores: StoreOptions | undefined): void {
  if (stores === undefined) return;
  checkOptionNames(`${transform}: stores`, stores, OPTIONS);
  checkTexts(`${transform}: stores.s3`, stores.s3, S3, ['endpoint', 'region', 'profile']);
  checkTexts(`${transform}: stores.gs`, stores.gs, GS, ['endpoint', 'userProject']);
  checkTexts(`${transform}: stores.az`, stores.az, AZ, ['account', 'endpoint']);
  checkUrl(`${transform}: stores.gs.endpoint`, stores.gs?.endpoint);
  checkUrl(`${transform}: stores.az.endpoint`, stores.az?.endpoint);
  const { idleTimeout } = stores;
  if (idleTimeout !== undefined && !(idleTimeout > 0 && idleTimeout <= 2 ** 31 - 1))
    throw refused(`${transform}: stores.idleTimeout`, idleTimeout, 'Give milliseconds, above 0.');
}

function checkTexts(
  of: string,
  given: object | undefined,
  names: Readonly<Record<string, true>>,
  texts: readonly string[],
): void {
  const secret = Object.keys(given ?? {}).find((name) => /key|secret|token|credential/i.test(name));
  if (secret !== undefined && !Object.hasOwn(names, secret)) {
    throw new BeamBridgeError('INVALID_ARGUMENT', `${of}: there is no option ${secret}`, {
      hint: NO_SECRETS,
    });
  }
  checkOptionNames(of, given, names);
  for (const [name, value] of Object.entries(given ?? {})) {
    if (value === undefined) continue;
    const wanted = texts.includes(name) ? 'string' : 'boolean';
    if (typeof value !== wanted) throw refused(`${of}.${name}`, value, `Give a ${wanted}.`);
  }
}

function checkUrl(what: string, given: string | undefined): void {
  if (given === undefined) return;
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) throw refused(what, given, 'Give a URL, https://…');
  if (url.username !== '' || url.password !== '' || url.search !== '')
    throw new BeamBridgeError('INVALID_ARGUMENT', `${what} has more in it than a service's URL`, {
      hint: NO_SECRETS,
    });
}

function refused(what: string, value: unknown, hint: string): BeamBridgeError {
  return new BeamBridgeError('INVALID_ARGUMENT', `${what} is ${describeValue(value)}`, { hint });
}
