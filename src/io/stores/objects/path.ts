// SPDX-License-Identifier: Apache-2.0
// `scheme://bucket/key`: the key as it is, without percent signs that mean something.

import { BeamBridgeError } from '../../../base/index.ts';

export interface ObjectPlace {
  readonly bucket: string;
  readonly key: string;
}

const FORM = /^([a-z][a-z0-9+.-]*):\/\/([^/]*)(?:\/(.*))?$/is;

/** @throws `INVALID_ARGUMENT` for what names no bucket, or nothing in it */
export function placeOf(path: string): ObjectPlace {
  const [, scheme = '', bucket = '', key = ''] = FORM.exec(path) ?? [];
  if (bucket !== '' && key !== '' && !/[*?[{]/.test(bucket)) return { bucket, key };
  throw new BeamBridgeError('INVALID_ARGUMENT', `${path} names no file of a bucket`, {
    hint: `Write ${scheme}://BUCKET/NAME, the bucket without a pattern.`,
  });
}
