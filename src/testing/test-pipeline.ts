// SPDX-License-Identifier: Apache-2.0
// A pipeline of a test's: run where no set-up is needed, and failed by assertions that were skipped.

import { BeamBridgeError, given, isNear } from '../base/index.ts';
import { type TestModel, type TestModels, withTestModel } from '../ml/index.ts';
import type { Pipeline } from '../pipeline/index.ts';
import {
  type Construct,
  createRunner,
  type PipelineDefinition,
  type PipelineOptions,
  type PipelineResult,
} from '../runners/index.ts';
import { refuseEmptyAssertions, uncheckedAssertions } from './assertion.ts';

/** Options of a {@link TestPipeline}. */
export interface TestPipelineOptions extends PipelineOptions {
  /** In place of the Python models, see {@link withTestModel}. */
  model?: TestModel | TestModels | undefined;
}

/** Encoding everything finds elements that would not survive the way to another worker. */
const DEFAULTS: PipelineOptions = { runner: 'node', progress: false, forceEncoding: true };

/**
 * Runs pipelines in tests, on the runner `node` unless the options name another one. Between any two
 * steps values are encoded, decoded and frozen, so that a test finds what would break on another runner:
 * a class instance or another value that its coder does not keep (`CODER_MISMATCH`), and a step that
 * changes its input (`INPUT_MUTATED`). The option `forceEncoding: false` turns that off.
 *
 * A run fails when an assertion in it fails (`assertThat`, `assertDeepEqual`, …), and also when one
 * was never reached, or given nothing to check, which a runner alone would pass over in silence.
 *
 * @example
 * ```ts
 * test('long words are kept', async () => {
 *   await new TestPipeline().run((root) => {
 *     const words = root.apply(create(['a', 'bee']));
 *     assertThat(words.filter((word) => word.length > 1)).containsInAnyOrder('bee');
 *   });
 * });
 * ```
 */
export class TestPipeline {
  /** Options of every run. */
  readonly options: TestPipelineOptions;

  constructor(options: TestPipelineOptions = {}) {
    checkModel(options);
    this.options = options;
  }

  /**
   * Runs a pipeline and resolves when every assertion held.
   *
   * @throws BeamBridgeError `ASSERTION_FAILED`, and whatever the run throws
   */
  async run(
    pipeline: Construct | PipelineDefinition,
    options: TestPipelineOptions = {},
  ): Promise<PipelineResult> {
    checkModel(options);
    const { model, ...rest } = { ...this.options, ...given(options) };
    const runner = createRunner({ ...DEFAULTS, ...given(rest) });
    const construct = typeof pipeline === 'function' ? pipeline : pipeline.construct;
    let built: Pipeline | undefined;
    const watched: Construct = async (root, merged) => {
      built = root.pipeline;
      await construct(root, merged);
      refuseEmptyAssertions(root.pipeline);
    };
    const start = () => runner.run(watched);
    const result = await (model === undefined ? start() : withTestModel(model, start));
    const [skipped] = built ? uncheckedAssertions(built) : [];
    if (!skipped) return result;
    throw new BeamBridgeError('ASSERTION_FAILED', 'an assertion was never checked', {
      ...skipped.errorDetails,
      hint: 'The run ended before all elements of its input were there. An endless source needs an end in a test: use testStream().',
    });
  }
}

/** Other names may be options of a runner, which are no functions. */
function checkModel(options: TestPipelineOptions): void {
  for (const [name, value] of Object.entries(options)) {
    if (name === 'model' || typeof value !== 'function' || !isNear(name, 'model')) continue;
    throw new BeamBridgeError('INVALID_ARGUMENT', `TestPipeline: there is no option ${name}`, {
      hint: 'Did you mean model?',
    });
  }
}
