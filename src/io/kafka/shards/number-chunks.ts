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
   *   it, it went back, and what is numbered now are other chunks, of another generation
   */
  constructor(private readonly numbered = new Map<number, Numbered>()) {}

  forBundle(): NumberChunks {
    return new NumberChunks(this.numbered);
  }

  async process({ key, value }: KV<number, Uint8Array>, { numbering }: Context) {
    const { writer, last } = (await numbering.read()) ?? { writer: newName(), last: 0 };
    const before = this.numbered.get(key);
    const generation = before?.last === last ? before.generation : newName();
    const number = last + 1;
    numbering.write({ writer, last: number });
    this.numbered.set(key, { generation, last: number });
    return [{ key, value: { writer, generation, number, messages: value } }];
  }
}
