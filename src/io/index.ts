// SPDX-License-Identifier: Apache-2.0
// Sources and sinks. May import transforms, external and what those may import.

export {
  type ReadAllTextOptions,
  type ReadTextOptions,
  readAllFromText,
  readFromText,
  readFromTextWithFilename,
} from './read-from-text.ts';
export type { Compression } from './text/compression.ts';
export { type WatchFilesOptions, watchFiles } from './watch-files.ts';
export { type WriteTextOptions, writeToText } from './write-to-text.ts';
