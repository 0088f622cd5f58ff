// SPDX-License-Identifier: Apache-2.0
// What a conformance case is: a pipeline that asserts about itself, or must fail in a certain way.

import type { ErrorCode } from '../../src/base/index.ts';
import type { Root } from '../../src/pipeline/index.ts';
import type { PipelineResult } from '../../src/runners/index.ts';

export interface Case {
  /** The behaviour that the case shows. */
  readonly name: string;
  build(root: Root): Promise<void> | void;
  /** Looks at what a run left: metrics, files. */
  after?(result: PipelineResult): Promise<void> | void;
  /** Looks at what any run left, one that failed too. */
  afterwards?(): void;
  /** Whether the case is about values being encoded, which not every configuration does. */
  readonly encodes?: boolean;
  /** Whether it cannot share a pipeline with other cases: it has a clock of its own. */
  readonly alone?: boolean;
  /** The error that the run must reject with. */
  readonly fails?: { code: ErrorCode; message: RegExp };
}

/** A group of cases, a file each. */
export type Cases = readonly Case[];
