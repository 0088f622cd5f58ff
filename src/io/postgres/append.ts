// SPDX-License-Identifier: Apache-2.0
// Rows that are added: one COPY for each bundle, which is stored as a whole or not at all.

import { BeamBridgeError } from '../../base/index.ts';
import { quoteName, quoteTable } from '../sql/names.ts';
import { type CopyIn, copyLine } from './copy-in.ts';
import { failure, isLost } from './failures.ts';
import type { RowSink } from './row-sink.ts';
import type { Session } from './session.ts';
import type { RowTexts, TargetColumn, WriteSpec } from './target.ts';

export class AppendRows implements RowSink {
  private readonly copy: CopyIn;
  private isFinishing = false;

  constructor(
    private readonly session: Session,
    private readonly spec: WriteSpec,
    columns: readonly TargetColumn[],
  ) {
    const names = columns.map(({ column }) => quoteName(column)).join(', ');
    this.copy = session.copyIn(`COPY ${quoteTable(spec.table)} (${names}) FROM STDIN`);
  }

  add(row: RowTexts): Promise<void> | undefined {
    return this.copy.add(copyLine(row))?.catch((error) => this.fail(error));
  }

  async finish(): Promise<void> {
    this.isFinishing = true;
    try {
      await this.copy.finish();
    } catch (error) {
      this.fail(error);
    }
  }

  private fail(error: unknown): never {
    const what = `rows cannot be added to ${quoteTable(this.spec.table)}`;
    const told = failure(error, this.session.failing(what, true));
    if (!this.isFinishing || !isLost(error)) throw told;
    throw new BeamBridgeError(
      told.code,
      `${told.shortMessage}; they may have been stored all the same`,
      {
        hint: "The answer to the last message is missing. Rows that have a key are written once, however often: { key: 'id' }.",
      },
    );
  }
}
