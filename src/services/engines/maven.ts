// SPDX-License-Identifier: Apache-2.0
// Jars of a Maven repository that hold all they need: by their coordinates, kept in the cache.

import path from 'node:path';
import { cacheFolder } from '../python/cache.ts';
import { type DownloadOptions, download } from './download.ts';

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
    process.env.BEAMBRIDGE_MAVEN_REPOSITORY || 'https://repo.maven.apache.org/maven2';
  const name = `${artifact}-${version}.jar`;
  const place = [...group.split('.'), artifact, version, name];
  return download({
    ...rest,
    url: `${repository.replace(/\/+$/, '')}/${place.join('/')}`,
    file: path.join(cacheFolder(), 'engines', 'maven', ...place),
  });
}
