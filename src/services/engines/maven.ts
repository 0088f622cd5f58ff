// SPDX-License-Identifier: Apache-2.0
// Jars of a Maven repository that hold all they need: by their coordinates, kept in the cache.

import path from 'node:path';
import { BeamBridgeError } from '../../base/index.ts';
import { cacheFolder } from '../python/cache.ts';
import { type DownloadOptions, download, withPath } from './download.ts';

const COORDINATES = /^([\w.-]+):([\w.-]+):([\w.-]+)$/;

/** Whether a text can be `group:artifact:version`. */
export function isCoordinates(text: string): boolean {
  return COORDINATES.test(text);
}

/**
 * The path of a jar, fetched if it is not there yet from `$BEAMBRIDGE_MAVEN_REPOSITORY`, else from Maven
 * Central.
 *
 * @throws BeamBridgeError as {@link download}
 */
export async function mavenJar(
  coordinates: string,
  rest: Omit<DownloadOptions, 'url' | 'file'>,
): Promise<string> {
  const [, group = '', artifact = '', version = ''] = COORDINATES.exec(coordinates) ?? [];
  const repository =
    process.env.BEAMBRIDGE_MAVEN_REPOSITORY || 'https://repo.maven.apache.org/maven2/';
  if (!URL.canParse(repository) || !/^https?:/i.test(repository)) {
    // It is not shown: there may be a password in it.
    throw new BeamBridgeError(
      'ENGINE_NOT_FOUND',
      'BEAMBRIDGE_MAVEN_REPOSITORY is no address of HTTP',
      { hint: `Give it as https://HOST/PATH, or jars that are here. ${rest.hint}` },
    );
  }
  const name = `${artifact}-${version}.jar`;
  const place = [...group.split('.'), artifact, version, name];
  return download({
    ...rest,
    url: withPath(withSlash(repository), place.join('/')),
    file: path.join(cacheFolder(), 'engines', 'maven', ...place),
  });
}

/** The address of a folder: its path ends with one slash. */
function withSlash(url: string): string {
  const address = new URL(url);
  address.pathname = `${address.pathname.replace(/\/+$/, '')}/`;
  return address.href;
}
