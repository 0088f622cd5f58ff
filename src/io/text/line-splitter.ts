// SPDX-License-Identifier: Apache-2.0
// Bytes to lines, a large piece at a time: one search and one decoding for thousands of lines.

import { isUtf8 } from 'node:buffer';
import { BeamBridgeError } from '../../base/index.ts';

/** How the bytes of a text file are read. */
export type TextEncoding = 'utf8' | 'latin1';

const NEWLINE = 10;

/** Takes pieces of a file that may be cut anywhere, and gives whole lines without their ends. */
export class LineSplitter {
  /** The beginning of a line whose end has not come yet. */
  private begun: Uint8Array[] = [];

  constructor(
    private readonly path: string,
    private readonly encoding: TextEncoding = 'utf8',
  ) {}

  /** The lines that end in `piece`, which may be overwritten afterwards. */
  push(piece: Buffer): string[] {
    const last = piece.lastIndexOf(NEWLINE);
    if (last < 0) {
      this.keep(piece);
      return [];
    }
    const lines: string[] = [];
    let from = 0;
    if (this.begun.length > 0) {
      from = piece.indexOf(NEWLINE) + 1;
      this.begun.push(piece.subarray(0, from));
      this.split(Buffer.concat(this.begun), lines);
      this.begun = [];
    }
    if (from <= last) this.split(piece.subarray(from, last + 1), lines);
    this.keep(piece.subarray(last + 1));
    return lines;
  }

  /** The last line, if the file does not end with a line's end. */
  end(): string[] {
    if (this.begun.length === 0) return [];
    const rest = Buffer.concat(this.begun);
    this.begun = [];
    return [this.decode(rest)];
  }

  private keep(rest: Buffer): void {
    if (rest.length > 0) this.begun.push(Uint8Array.prototype.slice.call(rest));
  }

  /** Splits text that ends with a newline. */
  private split(bytes: Buffer, into: string[]): void {
    const text = this.decode(bytes);
    const hasReturns = text.includes('\r');
    const lines = text.split('\n');
    lines.pop();
    for (const line of lines) {
      into.push(hasReturns && line.endsWith('\r') ? line.slice(0, -1) : line);
    }
  }

  private decode(bytes: Buffer): string {
    if (this.encoding === 'utf8' && !isUtf8(bytes)) {
      throw new BeamBridgeError('MALFORMED_DATA', `${this.path} is not all UTF-8 text`, {
        hint: "Read it with { encoding: 'latin1' } if it is ISO 8859-1, or convert it first.",
      });
    }
    try {
      return bytes.toString(this.encoding);
    } catch (error) {
      throw new BeamBridgeError(
        'MALFORMED_DATA',
        `${this.path} has a line of ${bytes.length} bytes, more than a string can hold`,
        { hint: 'Is it a text file?', cause: error },
      );
    }
  }
}
