// SPDX-License-Identifier: Apache-2.0
// Batch sizes that a handler of ours was made with. They are for this side to keep, as those of withBatching
// are: it knows the rows' timestamps, and holds the watermark for what waits.

import { isPythonHandler, type ModelHandler } from './handlers/handler.ts';
import { ownLoaderModule } from './handlers/own-loader.ts';
import { isTypeScriptHandler } from './handlers/typescript.ts';
import type { InferenceOptions } from './options.ts';

/** The options, with the handler's sizes where the program asks for none by withBatching. */
export function withHandlersBatching(
  options: InferenceOptions,
  handler: ModelHandler,
): InferenceOptions {
  if (isTypeScriptHandler(handler)) {
    const minSize = options.batching?.minSize ?? handler.batching?.minSize;
    return minSize === undefined
      ? options
      : { ...options, batching: { ...options.batching, minSize } };
  }
  if (options.batching || !isPythonHandler(handler)) return options;
  const module = ownLoaderModule(handler.loader);
  // What a class of the program's makes of its arguments, it alone knows.
  if (module === undefined || module === 'custom') return options;
  const { min_batch_size, max_batch_size, max_batch_duration_secs } = handler.kwargs as Sizes;
  if (min_batch_size === undefined && max_batch_duration_secs === undefined) return options;
  return {
    ...options,
    batching: {
      minSize: min_batch_size,
      maxSize: max_batch_size,
      maxDurationMs:
        max_batch_duration_secs === undefined ? undefined : max_batch_duration_secs * 1000,
    },
  };
}

interface Sizes {
  readonly min_batch_size?: number;
  readonly max_batch_size?: number;
  readonly max_batch_duration_secs?: number;
}
