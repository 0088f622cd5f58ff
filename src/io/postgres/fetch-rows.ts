// SPDX-License-Identifier: Apache-2.0
// FETCH on a client of pg: rows as they come, about a mebibyte at once. What is not asked for yet stays with the server, however
// long rows are: nobody knows that before they are there.

import type { PgConnection, Submittable } from './package.ts';

const BATCH_BYTES = 1024 * 1024;
/** What a value takes beside its letters. */
const VALUE_BYTES = 8;

export type RowOfTexts = readonly (string | null)[];

/** One FETCH under way, as pg's client takes queries of others. */
export class FetchRows implements Submittable {
  private connection: PgConnection | undefined;
  private rows: RowOfTexts[] = [];
  private bytes = 0;
  private hasEnded = false;
  private error: unknown;
  private wake: () => void = () => {};

  constructor(private readonly text: string) {}

  /** The next rows; none when there are no more. @throws what the server says */
  async next(): Promise<RowOfTexts[]> {
    while (this.bytes < BATCH_BYTES && !this.hasEnded) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    if (this.error !== undefined) throw this.error;
    const { rows } = this;
    this.rows = [];
    this.bytes = 0;
    this.connection?.stream.resume();
    return rows;
  }

  // What the client of pg calls.

  submit(connection: PgConnection): void {
    this.connection = connection;
    connection.query(this.text);
  }

  handleRowDescription(): void {}

  handleDataRow({ fields }: { readonly fields: RowOfTexts }): void {
    this.rows.push(fields);
    for (const text of fields) this.bytes += (text?.length ?? 0) + VALUE_BYTES;
    if (this.bytes < BATCH_BYTES) return;
    this.connection?.stream.pause();
    this.wake();
  }

  handleCommandComplete(): void {}

  handleReadyForQuery(): void {
    this.end();
  }

  handleError(error: unknown): void {
    this.error ??= error ?? new Error('Connection terminated');
    this.end();
  }

  private end(): void {
    this.hasEnded = true;
    // The next statement's answer must come.
    this.connection?.stream.resume();
    this.wake();
  }
}
