// SPDX-License-Identifier: Apache-2.0
// What we use of `google-auth-library`, which finds credentials as all of Google's packages do.

import { loadPackage } from '../load-package.ts';

/** Credentials that were found, which are asked for a token before each request and get a new one in time. */
interface AuthClient {
  /** An object, or from version 10 on what `fetch` knows. */
  getRequestHeaders(url: string): Promise<Readonly<Record<string, string>> | Headers>;
}

interface AuthPackage {
  readonly GoogleAuth: new (options: { scopes: string }) => { getClient(): Promise<AuthClient> };
}

const SCOPE = 'https://www.googleapis.com/auth/devstorage.read_write';

/** @throws `PACKAGE_NOT_FOUND` when it is not installed */
export async function googleCredentials(): Promise<AuthClient> {
  const name = 'google-auth-library';
  const { GoogleAuth } = (await loadPackage(name, 'files of gs://')) as AuthPackage;
  return new GoogleAuth({ scopes: SCOPE }).getClient();
}
