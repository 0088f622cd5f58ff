// SPDX-License-Identifier: Apache-2.0
// What the names of files hold of their windows, which follows from how a PCollection is windowed.

import { BeamBridgeError } from '../../base/index.ts';
import { GlobalWindowCoder, IntervalWindowCoder } from '../../coders/index.ts';
import type { PCollection } from '../../pipeline/index.ts';
import { mayFireAgain } from '../../transforms/index.ts';
import { SHARD_NAME_TEMPLATE } from './shard-names.ts';
import type { FileOutput } from './write-options.ts';

/**
 * The template of names that tell all windows and panes of `input` apart.
 *
 * @throws `INVALID_ARGUMENT` for a template that does not, `UNSUPPORTED` for windows that no name can hold
 */
export function windowedTemplate<T, R>(
  transform: string,
  { spec, hasOwnTemplate }: FileOutput<T, R>,
  input: PCollection<T>,
): string {
  if (!spec.windowed) return spec.template;
  const { windowFn, trigger, allowedLateness } = input.node.windowing;
  const coder = windowFn.windowCoder();
  const isGlobal = coder instanceof GlobalWindowCoder;
  if (!isGlobal && !(coder instanceof IntervalWindowCoder)) {
    throw new BeamBridgeError(
      'UNSUPPORTED',
      `${transform}: no file's name can hold these windows`,
      {
        hint: 'Write windows from one time to another, IntervalWindows, or put windowInto(…) in front of the writer.',
      },
    );
  }
  const hasPanes = !input.isBounded && mayFireAgain(trigger, allowedLateness);
  const needed = [...(isGlobal ? [] : ['W']), ...(hasPanes ? ['P'] : [])];
  if (!hasOwnTemplate) return needed.map((letter) => `-${letter}`).join('') + SHARD_NAME_TEMPLATE;
  const template = JSON.stringify(spec.template);
  const missing = needed.find((letter) => !spec.template.includes(letter));
  if (missing !== undefined) {
    const what = missing === 'W' ? 'windows' : 'panes of a window';
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `${transform}: files of all ${what} would have one name by the shardNameTemplate ${template}`,
      { hint: `Let ${missing} stand for it in the template, as in '-W-P${SHARD_NAME_TEMPLATE}'.` },
    );
  }
  // Otherwise the name of pane 1 and shard 0 is the beginning of that of pane 10.
  if (/P[SN]/.test(spec.template)) throw ambiguous(transform, 'the pane', 'P', template);
  return spec.template;
}

/**
 * Files of a stream appear one by one, so that no two may meet whatever comes.
 *
 * @throws `INVALID_ARGUMENT`, `UNSUPPORTED`
 */
export function checkStreamed<T, R>(
  transform: string,
  { spec, destination }: FileOutput<T, R>,
  input: PCollection<T>,
): void {
  if (spec.maxBytes !== undefined) {
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `${transform}: maxBytesPerShard cannot bound the files of a stream`,
      {
        hint: 'Elements that come again in another order would be another number of files, beside the first ones. Give maxRecordsPerShard, or a trigger that fires more often.',
      },
    );
  }
  if (destination && /^[SN]/.test(spec.template))
    throw ambiguous(transform, 'a destination', 'it', JSON.stringify(spec.template));
  if (input.node.windowing.windowFn.isMerging() && (spec.shards ?? 1) > 1) {
    throw new BeamBridgeError(
      'UNSUPPORTED',
      `${transform}: windows that merge would do so in each of the ${spec.shards} shards by themselves`,
      { hint: 'Leave numShards out: each destination then has the windows of its elements.' },
    );
  }
}

function ambiguous(transform: string, what: string, letter: string, template: string) {
  return new BeamBridgeError(
    'INVALID_ARGUMENT',
    `${transform}: in the shardNameTemplate ${template} the shard's number is right behind ${what}, so that names may meet`,
    { hint: `Put a '-' behind ${letter === 'P' ? 'P' : 'the destination'}.` },
  );
}
