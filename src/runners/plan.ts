// SPDX-License-Identifier: Apache-2.0
// What a runner would do with a pipeline, as a value and as a text that a person reads.

/** Transforms that run together, and where. */
export interface PlannedStep {
  /** The unique names of the transforms, in the order in which they are planned. */
  readonly transforms: readonly string[];
  /**
   * Who does it: functions of this program on its main thread, or in threads where there is enough to do; a worker of
   * another language; or the runner itself, as a grouping.
   */
  readonly where: 'main thread' | 'threads' | 'Python' | 'Java' | 'another service' | 'runner';
  /** What there is to say of that, in sentences. */
  readonly notes: readonly string[];
}

/** Made by {@link Runner.explain}. */
export class PipelinePlan {
  /** @internal */
  constructor(
    /** Each behind those that it needs. */
    readonly steps: readonly PlannedStep[],
  ) {}

  /** A paragraph for each step. */
  toString(): string {
    const width = Math.max(0, ...this.steps.map(({ where }) => where.length));
    const indent = ' '.repeat(width + 2);
    return this.steps
      .map(({ transforms, where, notes }) =>
        [
          `${where.padEnd(width)}  ${transforms.join(`\n${indent}`)}`,
          ...notes.map((note) => `${indent}(${note})`),
        ].join('\n'),
      )
      .join('\n');
  }
}
