// SPDX-License-Identifier: Apache-2.0
// Whether the windows that a user's code makes are of the kind that their PCollection says. Within a process
// nobody writes them, so that a wrong one would go unnoticed, and be another group's: its coder tells, once
// for each kind.

import { BeamBridgeError } from '../../base/index.ts';
import { type Coder, encodeValue } from '../../coders/index.ts';
import type { TransformInfo } from './errors.ts';

export class WindowKinds {
  private readonly fine = new Set<unknown>();

  /** @param whose - what the windows are of, in words */
  constructor(
    private readonly coder: () => Coder<unknown>,
    private readonly whose: string,
    private readonly info: TransformInfo,
  ) {}

  /** @throws `CODER_MISMATCH` for one of another kind */
  check(windows: readonly unknown[]): void {
    for (let i = 0; i < windows.length; i++) {
      const kind = (windows[i] as object | null | undefined)?.constructor;
      if (kind === undefined || !this.fine.has(kind)) this.checkOne(windows[i], kind);
    }
  }

  private checkOne(window: unknown, kind: unknown): void {
    try {
      encodeValue(this.coder(), window, true);
    } catch (error) {
      const { code, shortMessage } = BeamBridgeError.from(error, 'CODER_MISMATCH');
      throw new BeamBridgeError(code, `the window of ${this.whose}: ${shortMessage}`, {
        ...this.info,
        hint: 'Windows are of the kind that the windowing of the PCollection makes: keep those that windowParam() gives, or change the kind with windowInto.',
        cause: error,
      });
    }
    this.fine.add(kind);
  }
}
