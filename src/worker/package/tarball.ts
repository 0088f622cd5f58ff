// SPDX-License-Identifier: Apache-2.0
// A file added to a tarball of npm's. npm packs no package-lock.json, and takes the same text from an
// npm-shrinkwrap.json. Equal content gives equal bytes, by which workers know what they have already.

import { gunzipSync, gzipSync } from 'node:zlib';

const BLOCK = 512;

/** The tarball with one more file at its end. @param name - at most 100 bytes */
export function withFile(tarball: Uint8Array, name: string, content: Uint8Array): Buffer {
  const tar = gunzipSync(tarball);
  const padding = Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK);
  const end = Buffer.alloc(2 * BLOCK);
  return gzipSync(
    Buffer.concat([
      tar.subarray(0, endOf(tar)),
      headerOf(name, content.length),
      content,
      padding,
      end,
    ]),
  );
}

/** Where the blocks begin that are empty, and end a tar. */
function endOf(tar: Buffer): number {
  let at = 0;
  while (at + BLOCK <= tar.length && tar[at] !== 0) {
    const size = Number.parseInt(tar.toString('latin1', at + 124, at + 136), 8);
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  return at;
}

/** A header as POSIX has it, with the time that npm gives to all files. */
function headerOf(name: string, size: number): Buffer {
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`;
  header.write(name, 0);
  header.write(octal(0o644, 6), 100);
  header.write(octal(0, 6), 108);
  header.write(octal(0, 6), 116);
  header.write(octal(size, 11), 124);
  header.write(octal(499162500, 11), 136);
  // The checksum is made as if it were eight spaces.
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\x0000', 257, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 6)} `, 148);
  return header;
}
