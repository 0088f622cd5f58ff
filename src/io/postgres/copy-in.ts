// SPDX-License-Identifier: Apache-2.0
// COPY … FROM STDIN on a client of pg: rows as text, written as fast as the server takes them.
// Source: https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-COPY

import type { PgConnection, Submittable } from './package.ts';

/** So much goes out at once. Bytes. */
const CHUNK_BYTES = 64 * 1024;

const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
};

/** A row in COPY's text form. */
export function copyLine(values: readonly (string | null)[]): string {
  return `${values.map(copyText).join('\t')}\n`;
}

function copyText(value: string | null): string {
  if (value === null) return '\\N';
  return /[\\\n\r\t]/.test(value)
    ? value.replace(/[\\\n\r\t]/g, (letter) => ESCAPES[letter]!)
    : value;
}

/** One COPY under way, as pg's client takes queries of others. */
export class CopyIn implements Submittable {
  private connection: PgConnection | undefined;
  private lines: string[] = [];
  private length = 0;
  private error: unknown;
  private begun: () => void = () => {};
  private ended: () => void = () => {};
  private failed: () => void = () => {};
  /** Resolves when the server takes rows, has taken all, or has failed. */
  private readonly begins = new Promise<void>((resolve) => {
    this.begun = resolve;
  });
  private readonly ends = new Promise<void>((resolve) => {
    this.ended = resolve;
  });
  private readonly fails = new Promise<void>((resolve) => {
    this.failed = resolve;
  });

  constructor(private readonly text: string) {}

  /** Adds a row. A promise where the server has to be waited for. @throws what the server says */
  add(line: string): Promise<void> | undefined {
    this.lines.push(line);
    this.length += line.length;
    return this.length < CHUNK_BYTES ? undefined : this.send();
  }

  /** Sends what is left. The rows are stored when it resolves. @throws what the server says */
  async finish(): Promise<void> {
    await this.send();
    this.connection?.endCopyFrom();
    await Promise.race([this.ends, this.fails]);
    this.throwIfFailed();
  }

  private async send(): Promise<void> {
    await Promise.race([this.begins, this.fails]);
    this.throwIfFailed();
    const { connection, lines } = this;
    if (lines.length > 0) connection?.sendCopyFromChunk(Buffer.from(lines.join('')));
    this.lines = [];
    this.length = 0;
    if (connection?.stream.writableNeedDrain) await this.drained(connection);
    this.throwIfFailed();
  }

  private async drained({ stream }: PgConnection): Promise<void> {
    let drain: () => void = () => {};
    const drained = new Promise<void>((resolve) => {
      drain = resolve;
    });
    stream.once('drain', drain);
    await Promise.race([drained, this.fails]);
    stream.off('drain', drain);
  }

  private throwIfFailed(): void {
    if (this.error !== undefined) throw this.error;
  }

  // What the client of pg calls.

  submit(connection: PgConnection): void {
    this.connection = connection;
    connection.query(this.text);
  }

  handleCopyInResponse(): void {
    this.begun();
  }

  handleCommandComplete(): void {}

  handleReadyForQuery(): void {
    this.ended();
  }

  handleError(error: unknown): void {
    this.error ??= error ?? new Error('Connection terminated');
    this.failed();
  }
}
