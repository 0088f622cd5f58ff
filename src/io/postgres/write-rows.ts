// SPDX-License-Identifier: Apache-2.0
// Writes the rows of bundles, each bundle by itself. Its connection is opened with the first row, and kept for the next bundle.

import type { DoFn } from '../../pipeline/index.ts';
import { checkedRender } from '../records/write-type.ts';
import { AppendRows } from './append.ts';
import type { RowSink } from './row-sink.ts';
import { openWriting, type Session } from './session.ts';
import {
  type RowTexts,
  rowTexts,
  type TargetColumn,
  targetColumns,
  type WriteSpec,
} from './target.ts';
import { UpsertRows, WRITE_PATIENCE_MS } from './upsert.ts';

export class WriteRows implements DoFn<unknown, never> {
  private session: Session | undefined;
  private render: ((row: unknown) => RowTexts) | undefined;
  private columns: readonly TargetColumn[] = [];
  /** Between bundles, too, a server that was there is waited for as long as within them. */
  private patience: number | undefined;
  /** There from the first row of a bundle to its end. */
  private sink: RowSink | undefined;

  constructor(private readonly spec: WriteSpec) {}

  forBundle(): WriteRows {
    return new WriteRows(this.spec);
  }

  async startBundle(): Promise<void> {
    // What a bundle that failed has left must not be stored with the next one's.
    if (this.sink || this.session?.isOver) await this.teardown();
  }

  process(row: unknown): Promise<void> | undefined {
    const { sink, render } = this;
    if (sink && render) return sink.add(render(row));
    return this.begin(row);
  }

  private async begin(row: unknown): Promise<void> {
    const { spec } = this;
    this.session ??= await openWriting(spec.of, spec.options, this.patience);
    if (spec.key) this.patience = WRITE_PATIENCE_MS;
    const { session } = this;
    if (!this.render) {
      const columns = await targetColumns(session, spec);
      this.columns = columns;
      this.render = checkedRender<unknown, RowTexts>(spec.schema, (one) =>
        rowTexts(spec, columns, one as object),
      );
    }
    // Before the statement begins, which would have to be given up.
    const first = this.render(row);
    const replace = (other: Session) => {
      this.session = other;
    };
    this.sink = spec.key
      ? new UpsertRows(session, spec, this.columns, replace)
      : new AppendRows(session, spec, this.columns);
    await this.sink.add(first);
  }

  async finishBundle(): Promise<void> {
    await this.sink?.finish();
    this.sink = undefined;
  }

  async teardown(): Promise<void> {
    const { session } = this;
    this.session = undefined;
    this.sink = undefined;
    this.render = undefined;
    await session?.close();
  }
}
