// SPDX-License-Identifier: Apache-2.0
// The coder of PCollections that declare no type: plain JavaScript values as they are.

import type { ByteReader, ByteWriter } from '../../base/index.ts';
import type { Coder, CoderSpec } from '../coder.ts';
import { readJs } from './read.ts';
import { writeJs } from './write.ts';

export const JS_CODER_URN = 'beambridge:coder:js:v1';
export const JS_DETERMINISTIC_CODER_URN = 'beambridge:coder:js-deterministic:v1';

/**
 * Any plain JavaScript value, kept exactly: `null`, `undefined`, booleans, numbers with NaN, -0 and
 * infinities, bigints, strings, `Date`, `Map`, `Set`, typed arrays, `ArrayBuffer`, `Buffer`, arrays
 * (holes become `undefined`; fields beside the elements stay behind, but for those of what a regular
 * expression matched), plain objects, the built-in errors, the value classes of this package, and instances of
 * classes that {@link requireForSerialization} was told of. Only TypeScript knows it: in front of a transform in another language a PCollection
 * needs a schema or a standard coder.
 *
 * The deterministic form is for keys. It writes the names of objects and the entries of Maps and
 * Sets in sorted order, and -0 as 0, so that values that are equal as keys of a `Map` are equal
 * keys, and so are objects, Maps and Sets with equal contents in any order.
 *
 * @throws BeamBridgeError `CODER_MISMATCH` for functions, symbols, promises, instances of other classes,
 *   those that extend `Map`, `Array` and the like too, and cyclic values
 */
export class JsCoder implements Coder<unknown> {
  readonly name: string;
  readonly deterministic: boolean;

  /** @param options - `deterministic`: equal values give equal bytes. @default false */
  constructor(options: { deterministic?: boolean } = {}) {
    this.deterministic = options.deterministic ?? false;
    this.name = this.deterministic ? 'js(deterministic)' : 'js';
  }

  encode(value: unknown, out: ByteWriter): void {
    writeJs(value, out, this.deterministic);
  }

  decode(input: ByteReader): unknown {
    return readJs(input);
  }

  spec(): CoderSpec {
    return { urn: this.deterministic ? JS_DETERMINISTIC_CODER_URN : JS_CODER_URN };
  }

  asDeterministic(): Coder<unknown> {
    return this.deterministic ? this : new JsCoder({ deterministic: true });
  }
}
