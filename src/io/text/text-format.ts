// SPDX-License-Identifier: Apache-2.0
// Elements as texts, one after the other: what all formats of text have in common.

import { createReadStream } from 'node:fs';
import type { Part, PartWriter, ShardFormat } from './shard-format.ts';
import { emptyFile, encodeText, pieceSize, TextWriter } from './text-writer.ts';

/** What is around the elements of a file. */
export interface FileFrame {
  /** With its line's end, as is the footer; empty for none. */
  readonly header: string;
  readonly footer: string;
  /** Between two elements, where each does not end by itself: all of an output is one text then. @default none */
  readonly separator?: string;
  /** The end of each element. @default none */
  readonly lineEnd?: string;
}

/** Files of texts. */
export function textFormat(frame: FileFrame, gzip: boolean): ShardFormat<string> {
  const { header, footer, separator = '', lineEnd = '' } = frame;
  const endBytes = Buffer.byteLength(lineEnd);
  return {
    frameBytes: Buffer.byteLength(header) + Buffer.byteLength(footer),
    separatorBytes: Buffer.byteLength(separator),
    isWhole: header === '' && footer === '',
    sizeOf: (text) => Buffer.byteLength(text) + endBytes,
    async begin(path, files) {
      const writer = await TextWriter.create(path, gzip, pieceSize(files));
      return new TextPart(writer, separator, lineEnd);
    },
    async *join(parts: readonly Part[]) {
      yield await encodeText(header, gzip);
      for (const [at, part] of parts.entries()) {
        if (at > 0) yield await encodeText(separator, gzip);
        yield* createReadStream(part.path, { highWaterMark: 1024 * 1024 });
      }
      yield await encodeText(footer, gzip);
      if (parts.length === 0) yield await emptyFile(gzip);
    },
  };
}

class TextPart implements PartWriter<string> {
  private before = '';

  constructor(
    private readonly writer: TextWriter,
    private readonly separator: string,
    private readonly lineEnd: string,
  ) {}

  get path(): string {
    return this.writer.path;
  }

  append(text: string): Promise<void> | undefined {
    const all = this.before + text + this.lineEnd;
    this.before = this.separator;
    return this.writer.append(all);
  }

  async close(): Promise<{ bytes: number }> {
    await this.writer.close();
    return { bytes: this.writer.size };
  }
}
