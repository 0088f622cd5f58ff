// SPDX-License-Identifier: Apache-2.0
// Beam's own engines in the suite, which not every machine has: `CONFORMANCE_RUNNER=prism`, `flink` or `spark`, and
// `portable` for Beam's local job service, in Python, at `CONFORMANCE_JOB_ENDPOINT`.
// What they refuse must be refused with a code; what they are known to get wrong is left out, and named.

import { createRunner } from '../../src/runners/index.ts';
import { pythonStreams } from './cases/python-windowing.ts';
import { testStreams } from './cases/test-streams.ts';
import type { RunnerConfiguration } from './runners.ts';

const each = (why: string, ...names: string[]) =>
  Object.fromEntries(names.map((name) => [name, why]));

// One case that its engine fails must not take others along.
const ALONE = { encodes: true, together: false, pythonTogether: false, runsPython: true };

const prism: RunnerConfiguration = {
  name: 'prism',
  createPipelineRunner: () => createRunner({ runner: 'prism', progress: false }),
  ...ALONE,
  unsupported: {
    ...each(
      'it merges no windows but sessions',
      'a merging window function of the user',
      'Python: a merging window function that only Python knows',
      'Python: values are combined in windows that a function of Python merges',
      'Python: windows that a function of Python merges meet over time',
    ),
    ...each('it has no triggers on sessions', 'a trigger on sessions counts what was merged'),
    ...each(
      'it plays one test stream in a pipeline',
      'distinct of a stream gives an element in the first pane in which it is',
    ),
  },
  differs: {
    ...each(
      'it sends nothing to a reshuffle whose output nobody reads',
      'an element that cannot travel fails the run',
    ),
    ...each(
      'it gives no early panes of a batch',
      'an early pane, then the one on time, which holds what is new',
      'an early pane, then the one on time, which holds all so far',
      'what a count did not reach comes out when the window is over',
    ),
    ...each('it finalizes no bundles', 'a bundle is finalized once it counts'),
    ...each(
      'it fires a timer of the clock at once that is cleared',
      'late values come in batches too, once they are there',
      'a batch that is not full waits as long as it may, and no longer',
    ),
    ...each(
      'it panics at an ordered list of Python',
      'Python: state of every kind',
      'Python: an ordered list lasts from bundle to bundle, and loses ranges',
    ),
    ...each(
      'its panes come at other times',
      'Python: early, on-time and late panes that accumulate',
      'Python: a composite trigger that looks at the clock',
    ),
    ...each(
      'it gives all so far once more when the window is over',
      'each pane of a stream has files of its own, accumulating',
    ),
  },
};

const flink: RunnerConfiguration = {
  name: 'flink',
  createPipelineRunner: () =>
    createRunner({
      runner: 'flink',
      flinkMaster: process.env.CONFORMANCE_FLINK || '[local]',
      flinkJobServer: process.env.BEAMBRIDGE_TEST_FLINK_JARS,
      progress: false,
    }),
  ...ALONE,
  unsupported: {
    ...each(
      "it knows Beam's own window functions alone",
      'a window function of the user',
      'a merging window function of the user',
      'Python: a window function that only Python knows',
      'Python: a merging window function that only Python knows',
      'Python: values are combined in windows that a function of Python merges',
      'Python: windows that a function of Python merges meet over time',
    ),
    ...each(
      'it finalizes no bundles in batch',
      'a bundle is finalized once it counts',
      'Python: a bundle is finalized once it counts',
    ),
    ...each(
      'its test streams have no clock',
      'a batch that is not full waits as long as it may, and no longer',
      'panes by the clock of a scripted stream',
      'Python: a composite trigger that looks at the clock',
      'Python: a timer of the clock',
    ),
  },
  differs: {
    ...each(
      'it gives one pane of a batch',
      'an early pane, then the one on time, which holds what is new',
      'an early pane, then the one on time, which holds all so far',
      'what a count did not reach comes out when the window is over',
      'about panes',
    ),
    ...each(
      'its panes come at other times',
      'distinct of a stream gives an element in the first pane in which it is',
      'a stream of a source has files by window',
      'latestPerKey of a stream follows its panes',
      'late values come in batches too, once they are there',
      'early, on-time and late panes of a scripted stream',
      'Python: early, on-time and late panes that accumulate',
      'Python: panes that discard, and late elements dropped',
    ),
    ...each(
      'its sources are kept, so that a stream of a DoFn does not end by itself',
      'Python: an unbounded one that asks to be resumed',
    ),
    ...each(
      'it plays a script on before a timer is taken back',
      'Python: a timer that a later bundle takes back',
    ),
    ...each(
      'it has no ordered lists for Python',
      'Python: state of every kind',
      'Python: an ordered list lasts from bundle to bundle, and loses ranges',
    ),
  },
};

const spark: RunnerConfiguration = {
  name: 'spark',
  createPipelineRunner: () =>
    createRunner({
      runner: 'spark',
      sparkMaster: 'local[2]',
      sparkJobServer: process.env.BEAMBRIDGE_TEST_SPARK_JARS,
      progress: false,
    }),
  ...ALONE,
  unsupported: {
    ...each(
      'it runs batches alone',
      ...[...testStreams, ...pythonStreams].map(({ name }) => name),
      'distinct of a stream gives an element in the first pane in which it is',
      'latestPerKey of a stream follows its panes',
      'late values come in batches too, once they are there',
      'a batch that is not full waits as long as it may, and no longer',
      'fromAsyncIterable that throws fails the run',
      'fromAsyncIterable ends its iterable when the run fails',
      'Python: an unbounded one that asks to be resumed',
      'Python: a watermark that goes backwards',
    ),
    ...each(
      "it knows Beam's own window functions alone",
      'a window function of the user',
      'a merging window function of the user',
      'Python: a window function that only Python knows',
      'Python: a merging window function that only Python knows',
      'Python: values are combined in windows that a function of Python merges',
    ),
    ...each(
      'it finalizes no bundles',
      'a bundle is finalized once it counts',
      'Python: a bundle is finalized once it counts',
    ),
  },
  differs: {
    ...each(
      'it gives one pane of a batch',
      'an early pane, then the one on time, which holds what is new',
      'an early pane, then the one on time, which holds all so far',
      'what a count did not reach comes out when the window is over',
    ),
    ...each('it has no ordered lists for Python', 'Python: state of every kind'),
  },
};

const portable: RunnerConfiguration = {
  name: 'portable',
  createPipelineRunner: () =>
    createRunner({
      runner: 'portable',
      jobEndpoint: process.env.CONFORMANCE_JOB_ENDPOINT ?? '',
      progress: false,
    }),
  ...ALONE,
  unsupported: each(
    'it has no clock and no watermark to play a script with',
    ...[...testStreams, ...pythonStreams].map(({ name }) => name),
  ),
  differs: {
    ...each(
      'it drops what is left over when the triggers of a batch have fired',
      'no element is lost or doubled by repeatedly(afterCount(3))',
      'no element is lost or doubled by repeatedly(afterCount(99))',
      'what a count did not reach comes out when the window is over',
      'a trigger on sessions counts what was merged',
      'a combiner that changes its accumulators, where elements are in several windows',
    ),
    ...each(
      'it fails at triggers that look at a clock',
      'no element is lost or doubled by afterWatermark().withEarlyFirings(afterProcessingTime(60)).withLateFirings(afterCount(1))',
      'no element is lost or doubled by repeatedly(afterProcessingTime(60, …))',
      'two groupings behind one trigger',
    ),
  },
};

export const engines: readonly RunnerConfiguration[] = [prism, flink, spark, portable];
