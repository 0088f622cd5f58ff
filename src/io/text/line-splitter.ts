// SPDX-License-Identifier: Apache-2.0
// Bytes to lines, a large piece at a time: one check of the encoding for thousands of lines.

import { isAscii, isUtf8 } from 'node:buffer';
import { BeamBridgeError } from '../../base/index.ts';

/** How the bytes of a text file are read. */
export type TextEncoding = 'utf8' | 'latin1';

const NEWLINE = 10;
const RETURN = 13;

/** Text of other encodings has no byte of 0, of which every other one of UTF-16 is for most texts. */
function isUtf16(bytes: Buffer): boolean {
  return /^(?:fffe|feff)/.test(bytes.toString('hex', 0, 2)) || bytes.includes(0);
}

/** How files begin that are no text, whatever their names tell. */
const OTHERS: readonly [begin: string, hint: string][] = [
  ['1f8b', "It is compressed by gzip: read it with { compression: 'gzip' }."],
  ['28b52ffd', "It is compressed by zstd: read it with { compression: 'zstd' }."],
  // With the digit that follows: a text may begin with the letters.
  ['425a683', "It is compressed by bzip2: read it with { compression: 'bzip2' }."],
  ['504b0304', 'It is a ZIP archive: unpack it first, as `unzip` does.'],
  ['50415231', 'It is a Parquet file: readFromParquet reads it.'],
  ['4152524f', 'It is an Arrow file: readFromArrow reads it.'],
  ['4f626a01', 'It is an Avro file: readFromAvro reads it.'],
];

function hintFor(bytes: Buffer, begin: Buffer): string {
  const hex = begin.toString('hex');
  const other = OTHERS.find(([magic]) => hex.startsWith(magic));
  if (other) return other[1];
  return isUtf16(bytes)
    ? 'It looks like UTF-16: convert it first, as `iconv -f UTF-16 -t UTF-8` does; readers of records take { encoding: "utf16le" }.'
    : "Read it with { encoding: 'latin1' } if it is ISO 8859-1, or convert it first.";
}

/** What readers of records need to know of lines, and readers of text do not. */
export interface LineOptions {
  /** Whether a carriage return at the end of a line stays: inside quotes it is data. @default false */
  keepReturns?: boolean;
  /** A line of more bytes is what `error` makes. @default no bound */
  longest?: { readonly bytes: number; error(): BeamBridgeError };
}

/** Lines as bytes: whole ones, each with its end, but for the last one of a file. */
export interface LineBytes {
  /** May be overwritten when the next piece of the file is taken. */
  readonly bytes: Buffer;
  /** How they are read: ASCII, which most text is, needs no decoding. */
  readonly encoding: TextEncoding;
}

/** Takes pieces of a file that may be cut anywhere, and gives the bytes of whole lines. */
export class ByteSplitter {
  /** The beginning of a line whose end has not come yet. */
  private begun: Uint8Array[] = [];
  private begunBytes = 0;

  constructor(
    private readonly path: string,
    private readonly encoding: TextEncoding,
    /** The first bytes of the file, which tell what it is when it is no text. */
    private readonly begin: Buffer,
    private readonly longest?: LineOptions['longest'],
  ) {}

  /** The lines that end in `piece`. */
  push(piece: Buffer): LineBytes[] {
    this.refuseLong();
    const last = piece.lastIndexOf(NEWLINE);
    if (last < 0) {
      this.keep(piece);
      return [];
    }
    const lines: LineBytes[] = [];
    let from = 0;
    if (this.begun.length > 0) {
      from = piece.indexOf(NEWLINE) + 1;
      this.begun.push(piece.subarray(0, from));
      lines.push(this.checked(Buffer.concat(this.begun)));
      this.begun = [];
      this.begunBytes = 0;
    }
    if (from <= last) lines.push(this.checked(piece.subarray(from, last + 1)));
    this.keep(piece.subarray(last + 1));
    return lines;
  }

  /** The last line, if the file does not end with a line's end. */
  end(): LineBytes[] {
    this.refuseLong();
    if (this.begun.length === 0) return [];
    const rest = Buffer.concat(this.begun);
    this.begun = [];
    return [this.checked(rest)];
  }

  private keep(rest: Buffer): void {
    if (rest.length === 0) return;
    this.begun.push(Uint8Array.prototype.slice.call(rest));
    this.begunBytes += rest.length;
  }

  /** A line is refused when the lines before it were given. */
  private refuseLong(): void {
    const { longest } = this;
    if (longest && this.begunBytes > longest.bytes) throw longest.error();
  }

  private checked(bytes: Buffer): LineBytes {
    if (this.encoding === 'latin1' || isAscii(bytes)) return { bytes, encoding: 'latin1' };
    if (isUtf8(bytes)) return { bytes, encoding: 'utf8' };
    throw new BeamBridgeError('MALFORMED_DATA', `${this.path} is not all UTF-8 text`, {
      hint: hintFor(bytes, this.begin),
    });
  }
}

/** Takes pieces of a file that may be cut anywhere, and gives whole lines without their ends. */
export class LineSplitter {
  private readonly splitter: ByteSplitter;

  /** @param begin - the first bytes of the file, which tell what it is when it is no text */
  constructor(
    private readonly path: string,
    encoding: TextEncoding,
    begin: Buffer,
    private readonly options: LineOptions = {},
  ) {
    this.splitter = new ByteSplitter(path, encoding, begin, options.longest);
  }

  /** The lines that end in `piece`, which may be overwritten afterwards. */
  push(piece: Buffer): string[] {
    const lines: string[] = [];
    for (const some of this.splitter.push(piece)) this.split(some, lines);
    return lines;
  }

  /** The last line, if the file does not end with a line's end. */
  end(): string[] {
    return this.splitter.end().map((rest) => textOfLine(rest, 0, rest.bytes.length, this.path));
  }

  private split(some: LineBytes, into: string[]): void {
    const { bytes } = some;
    for (let from = 0, end = 0; from < bytes.length; from = end + 1) {
      end = bytes.indexOf(NEWLINE, from);
      const hasReturn = !this.options.keepReturns && end > from && bytes[end - 1] === RETURN;
      into.push(textOfLine(some, from, hasReturn ? end - 1 : end, this.path));
    }
  }
}

/**
 * The text of a line. Each is made from its own bytes: as parts of one large string, a single word kept by the program
 * would keep all of that string in memory.
 *
 * @throws `MALFORMED_DATA` for one that no string can hold
 */
export function textOfLine(
  { bytes, encoding }: LineBytes,
  from: number,
  to: number,
  path: string,
): string {
  try {
    return bytes.toString(encoding, from, to);
  } catch (error) {
    throw new BeamBridgeError(
      'MALFORMED_DATA',
      `${path} has a line of ${to - from} bytes, more than a string can hold`,
      { hint: 'Is it a text file?', cause: error },
    );
  }
}
