// SPDX-License-Identifier: Apache-2.0
// What the images of both languages have in common.

import { BeamBridgeError, packageVersion } from '../../base/index.ts';

/** What each image is made of. */
export interface ImageParts {
  readonly base: string;
  /** The name of the file that npm packs. */
  readonly tarball: string;
  /** The command that was asked for, for the first lines. */
  readonly command: string;
}

/** Where things are in an image. */
export const ROOT = '/opt/beambridge';
/** The user of workers, and what is theirs. */
export const USER = '1000';
export const HOME = '/var/cache/beambridge';

/** A word of a shell's. */
export function quoted(word: string): string {
  return /^[\w./,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** The first lines of each text. */
export function headOf({ command, tarball }: ImageParts, who: string): string {
  return `# Workers for ${who} of beambridge ${packageVersion()}, by Beam's container contract:
# environmentType 'DOCKER'. Build it in a folder that holds ${tarball} and nothing else:
#
#   mkdir image && npm pack ./node_modules/beambridge --pack-destination image
#   ${command} \\
#     | docker build --tag REGISTRY/NAME:TAG --file - image
`;
}

/** An instruction in JSON, which no shell reads. */
export function entryPoint(command: readonly string[]): string {
  return `ENTRYPOINT [${command.map((word) => JSON.stringify(word)).join(', ')}]\n`;
}

/** An error of who asks. */
export function invalid(message: string, hint: string): BeamBridgeError {
  return new BeamBridgeError('INVALID_ARGUMENT', message, { hint });
}
