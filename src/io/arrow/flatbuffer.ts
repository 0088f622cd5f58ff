// SPDX-License-Identifier: Apache-2.0
// The flatbuffers that a file's metadata are. All that they point to is looked at before anything is decoded: a length or
// an offset with one bit turned over would have a decoder take memory without end, or read what is not there as zeros.
// Source: https://flatbuffers.dev/internals

/** Internal: bytes are none of what they are to be. */
export class DamagedMetadata {
  constructor(readonly why: string) {}
}

/** A part of a table: of so many bytes, a text, a vector of what has so many bytes, or tables. */
export type Part =
  | number
  | 'text'
  | { readonly each: number }
  | { readonly table: () => Shape }
  | { readonly tables: () => Shape }
  /** One of several tables: which is in the part before it. */
  | { readonly union: (kind: number) => Shape | undefined };

/** The parts of a table, by their number. */
export type Shape = readonly Part[];

/** No metadata are that deep. */
const DEEPEST = 128;

/** A table whose parts were all looked at. */
export class Table {
  constructor(
    private readonly view: DataView,
    private readonly at: number,
  ) {}

  /** @throws {@link DamagedMetadata} for what points to no place of its own */
  static root(bytes: Uint8Array, shape: Shape): Table {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    try {
      const at = ahead(view, 0);
      new Look(view).table(at, shape, 0);
      return new Table(view, at);
    } catch (error) {
      throw error instanceof RangeError ? new DamagedMetadata('they end too early') : error;
    }
  }

  /** Where a part is in the bytes; nothing for one that is not there. */
  place(id: number): number | undefined {
    return placeOf(this.view, this.at, id);
  }

  byte(id: number): number {
    const at = this.place(id);
    return at === undefined ? 0 : this.view.getUint8(at);
  }

  short(id: number): number {
    const at = this.place(id);
    return at === undefined ? 0 : this.view.getInt16(at, true);
  }

  int(id: number, otherwise = 0): number {
    const at = this.place(id);
    return at === undefined ? otherwise : this.view.getInt32(at, true);
  }

  long(id: number): number {
    const at = this.place(id);
    return at === undefined ? 0 : longAt(this.view, at);
  }

  text(id: number): string | undefined {
    const at = this.place(id);
    if (at === undefined) return undefined;
    const start = ahead(this.view, at);
    const bytes = new Uint8Array(
      this.view.buffer,
      this.view.byteOffset + start + 4,
      this.view.getInt32(start, true),
    );
    return Buffer.from(bytes).toString('utf8');
  }

  table(id: number): Table | undefined {
    const at = this.place(id);
    return at === undefined ? undefined : new Table(this.view, ahead(this.view, at));
  }

  tables(id: number): Table[] {
    const { at, length } = this.vector(id);
    return Array.from({ length }, (_, n) => new Table(this.view, ahead(this.view, at + 4 * n)));
  }

  /** Numbers that lie one after the other: `width` of them for each of a vector. */
  longs(id: number, width = 1): number[] {
    const { at, length } = this.vector(id);
    return Array.from({ length: length * width }, (_, n) => longAt(this.view, at + 8 * n));
  }

  /** Where the first of a vector is, and how many there are. */
  vector(id: number): { at: number; length: number } {
    const place = this.place(id);
    if (place === undefined) return { at: 0, length: 0 };
    const at = ahead(this.view, place);
    return { at: at + 4, length: this.view.getInt32(at, true) };
  }
}

/** A number of 64 bits, which none of a file has reason to be. */
export function longAt(view: DataView, at: number): number {
  const long = Number(view.getBigInt64(at, true));
  if (!Number.isSafeInteger(long)) throw new DamagedMetadata(`${long} is in them`);
  return long;
}

/** What an offset points to. */
function ahead(view: DataView, at: number): number {
  const offset = view.getInt32(at, true);
  if (offset < 4) throw new DamagedMetadata('they point nowhere');
  return at + offset;
}

function placeOf(view: DataView, table: number, id: number): number | undefined {
  const parts = table - view.getInt32(table, true);
  if (4 + 2 * id >= view.getUint16(parts, true)) return undefined;
  const offset = view.getUint16(parts + 4 + 2 * id, true);
  return offset === 0 ? undefined : table + offset;
}

/** One look at all of the bytes. */
class Look {
  /** Tables may be shared, but no more are worth reading than there are bytes. */
  private left: number;

  constructor(private readonly view: DataView) {
    this.left = view.byteLength;
  }

  table(at: number, shape: Shape, depth: number): void {
    if (depth > DEEPEST || --this.left < 0) throw new DamagedMetadata('they are too deep');
    const { view } = this;
    const parts = at - view.getInt32(at, true);
    const size = view.getUint16(parts, true);
    const isSane = size >= 4 && size % 2 === 0 && size < 1 << 15;
    if (!isSane) throw new DamagedMetadata('a table is none');
    this.inside(parts, size);
    this.inside(at, view.getUint16(parts + 2, true));
    shape.forEach((part, id) => {
      const place = placeOf(view, at, id);
      if (place !== undefined) this.part(place, part, depth, () => placeOf(view, at, id - 1));
    });
  }

  private part(at: number, part: Part, depth: number, placeBefore: () => number | undefined): void {
    if (typeof part === 'number') {
      this.inside(at, part);
      return;
    }
    const start = ahead(this.view, at);
    if (part === 'text') this.vector(start, 1);
    else if ('each' in part) this.vector(start, part.each);
    else if ('table' in part) this.table(start, part.table(), depth + 1);
    else if ('tables' in part) this.tables(start, part.tables(), depth + 1);
    else {
      const before = placeBefore();
      const shape = part.union(before === undefined ? 0 : this.view.getUint8(before));
      if (shape) this.table(start, shape, depth + 1);
    }
  }

  private tables(at: number, shape: Shape, depth: number): void {
    this.vector(at, 4);
    const end = at + 4 + 4 * this.view.getInt32(at, true);
    for (let one = at + 4; one < end; one += 4) this.table(ahead(this.view, one), shape, depth);
  }

  private vector(at: number, each: number): void {
    const length = this.view.getInt32(at, true);
    if (length < 0) throw new DamagedMetadata('a vector is none');
    this.inside(at + 4, length * each);
  }

  private inside(at: number, length: number): void {
    if (at < 0 || at + length > this.view.byteLength)
      throw new DamagedMetadata('they end too early');
  }
}
