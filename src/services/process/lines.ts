// SPDX-License-Identifier: Apache-2.0
// Splits a stream into lines as they come. A line without end is cut, so that a process which
// prints garbage cannot fill our memory.

import { StringDecoder } from 'node:string_decoder';

const LONGEST_LINE = 1024 * 1024;

/** Calls `onLine` for each line, without its line end, and for the rest when the stream ends. */
export function onLines(stream: NodeJS.ReadableStream, onLine: (line: string) => void): void {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  stream.on('data', (chunk: Buffer) => {
    const lines = (rest + decoder.write(chunk)).split(/\r?\n/);
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
    if (rest.length > LONGEST_LINE) {
      onLine(rest);
      rest = '';
    }
  });
  stream.on('end', () => {
    if (rest !== '') onLine(rest);
    rest = '';
  });
  // A broken pipe means that the process is gone, which its exit tells.
  stream.on('error', () => {});
}
