// SPDX-License-Identifier: Apache-2.0
// The last lines of a process's output: enough to say why it failed, never more than a fixed size.

const LIMIT = 16 * 1024;

/** Keeps the end of a text that arrives in pieces. */
export class Tail {
  private text = '';

  add(piece: string): void {
    this.text += piece;
    if (this.text.length > 2 * LIMIT) this.text = this.text.slice(-LIMIT);
  }

  /** At most the last 16 KiB, without surrounding blank lines. */
  toString(): string {
    return this.text.slice(-LIMIT).trim();
  }

  /** The last `count` lines. */
  lines(count: number): string {
    return this.toString().split('\n').slice(-count).join('\n');
  }
}
