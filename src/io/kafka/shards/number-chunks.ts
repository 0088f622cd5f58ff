// SPDX-License-Identifier: Apache-2.0
// Numbers the chunks of each shard, in state of the runner's. What runs again after a failure numbers on from
// the last checkpoint, and others than before: only what the checkpoint holds has been written by then.

import { randomUUID } from 'node:crypto';
import type { KV } from '../../../coders/index.ts';
import { type DoFn, type ValueState, valueState } from '../../../pipeline/index.ts';
import type { Infer } from '../../../schema/index.ts';
import { type NumberedChunk, numberingType } from './chunks.ts';

/** As long as it takes for two never to be the same. */
const NAME_LENGTH = 8;

const newName = () => randomUUID().slice(0, NAME_LENGTH);

/** The state of {@link NumberChunks}. */
export const numberingContext = () => ({ numbering: valueState(numberingType) });

interface Context {
  readonly numbering: ValueState<Infer<typeof numberingType>>;
}

/** What this process has numbered of a shard. */
interface Numbered {
  readonly generation: string;
  readonly last: number;
}

export class NumberChunks
  implements DoFn<KV<number, Uint8Array>, KV<number, NumberedChunk>, Context>
{
  /**
   * @param numbered - of all bundles of this process, those included that failed: where the runner's state is behind
   *   it, or has the number by another process, it went back, and what is numbered now are other chunks, of another
   *   generation. So the numbers of one are without gaps, and its last that is written tells of all before.
   */
  constructor(private readonly numbered = new Map<number, Numbered>()) {}

  forBundle(): NumberChunks {
    return new NumberChunks(this.numbered);
  }

  async process({ key, value }: KV<number, Uint8Array>, { numbering }: Context) {
    const kept = await numbering.read();
    const writer = kept?.writer ?? newName();
    const number = (kept?.last ?? 0) + 1;
    const before = this.numbered.get(key);
    const goesOn = before && before.last === kept?.last && before.generation === kept.generation;
    const generation = goesOn ? before.generation : newName();
    numbering.write({ writer, last: number, generation });
    this.numbered.set(key, { generation, last: number });
    return [{ key, value: { writer, generation, number, messages: value } }];
  }
}
