// SPDX-License-Identifier: Apache-2.0
// A run whose rows all fail is told about: at the first failure, at the end, and by its own end where going
// on has no hope. Python has the same rule inside a batch, see python-env/beambridge_host/inference/hopeless.py.

import { BeamBridgeError, getLogger } from '../../base/index.ts';
import { type Failure, reasonOf } from './dead-letters.ts';

/** Rows that fail alike, with none between that does not, before the run is given up. */
const HOPELESS_ROWS = 1000;

/** Counts what a RunInference with dead letters comes to in this program. */
export class Tally {
  private scored = 0;
  private failed = 0;
  private first: Failure | undefined;
  private alike: Failure | undefined;
  private answers = 0;
  private isHopeful: boolean;

  constructor(
    private readonly transform: string,
    mayAllFail: boolean,
  ) {
    this.isHopeful = mayAllFail;
  }

  /** Rows of one answer, and those of them that failed. Throws when all have failed alike. */
  answered(rows: number, failures: ReadonlyMap<number, Failure>): void {
    this.scored += rows - failures.size;
    if (this.isHopeful) return;
    this.isHopeful = failures.size < rows;
    for (const failure of failures.values()) {
      this.alike ??= failure;
      const { step, errorType, message } = this.alike;
      this.isHopeful ||=
        failure.step !== step || failure.errorType !== errorType || failure.message !== message;
      if (this.isHopeful) return;
    }
    this.answers += failures.size;
    if (this.answers < HOPELESS_ROWS) return;
    throw new BeamBridgeError(
      'DEAD_LETTER_THRESHOLD',
      `the first ${this.answers} rows all failed alike: ${reasonOf(this.alike!)}`,
      {
        transform: this.transform,
        hint: 'Mend what is wrong with all rows. withDeadLetters({ threshold: 1 }) goes on whatever fails.',
        detail: this.alike!.traceback,
      },
    );
  }

  /** A row that has no prediction, whatever the reason; `wasScored` if its answer had one. */
  lost(failure: Failure, wasScored: boolean): void {
    this.failed += 1;
    if (wasScored) this.scored -= 1;
    if (this.first) return;
    this.first = failure;
    getLogger('ml').warn(`${this.transform}: a row failed: ${reasonOf(failure)}`);
  }

  /** Says at the end of a run what came of it. */
  tell(): void {
    const { failed, first, scored } = this;
    if (first) {
      const share = `${failed} of ${failed + scored} rows failed`;
      getLogger('ml').warn(`${this.transform}: ${share}, the first of them: ${reasonOf(first)}`);
    }
    this.scored = 0;
    this.failed = 0;
    this.first = undefined;
  }
}
