// SPDX-License-Identifier: Apache-2.0
// What Beam's model has, in the words of Beam's capability matrix, and the cases that show it. A case
// is named, or all of a group that are not named in another row.
// Source: https://beam.apache.org/documentation/runners/capability-matrix/

/** One line of the table. */
export interface Capability {
  readonly name: string;
  /** Names of cases, or of groups as `group:NAME`. */
  readonly typescript: readonly string[];
  /** The same of cases whose DoFns are written in Python. */
  readonly python: readonly string[];
}

/** Lines under the question that they answer. */
export const capabilities: Readonly<Record<string, readonly Capability[]>> = {
  'What is computed': [
    {
      name: 'ParDo, with several outputs',
      typescript: ['group:elementwise', 'group:life cycle'],
      python: ['group:DoFns in Python'],
    },
    {
      name: 'GroupByKey, CoGroupByKey',
      typescript: ['group:grouping'],
      python: ['Python: PCollections are joined by key'],
    },
    {
      name: 'Flatten, Partition',
      typescript: ['group:shaping'],
      python: ['Python: timestamp combiners'],
    },
    {
      name: 'Combine',
      typescript: ['group:combining'],
      python: ['Python: values are combined, for each key, all, and of nothing'],
    },
    {
      name: 'Distinct, Latest, GroupIntoBatches',
      typescript: ['group:batching'],
      python: [],
    },
    {
      name: 'Side inputs, of every kind and by window',
      typescript: ['group:side inputs'],
      python: ['group:side inputs in Python'],
    },
    {
      name: 'Source API',
      typescript: ['group:text', 'group:records', 'group:files apart'],
      python: ['Python: a bounded source', 'Python: ReadFromText'],
    },
    {
      name: 'Splittable DoFn, bounded',
      typescript: ['group:splittable DoFns'],
      python: ['group:sources in Python'],
    },
    {
      name: 'Splittable DoFn, unbounded: resuming and watermarks',
      typescript: [
        'group:sources over time',
        'what process leaves, it goes on with later',
        'a promise without outputs may ask to be resumed',
        'outputs with timestamps, under a watermark',
        'a watermark that goes backwards fails the run',
      ],
      python: [
        'Python: an unbounded one that asks to be resumed',
        'Python: a watermark that goes backwards',
      ],
    },
    {
      name: 'Stateful processing',
      typescript: [
        'a value is kept for each key',
        'state is kept for each window',
        'bags, from one bundle to the next',
        'combining state, blind and read in between',
        'what is cleared is gone, in this bundle and later',
        'a state that was not declared fails the run',
        'a DoFn with state refuses an element without a key',
      ],
      python: ['Python: state of every kind', 'Python: state is kept for each window'],
    },
    {
      name: 'State: sets, maps, multimaps',
      typescript: ['sets, maps and multimaps'],
      python: ['Python: state of every kind'],
    },
    {
      name: 'State: ordered lists',
      typescript: ['an ordered list, read and cleared by ranges of time'],
      python: ['Python: state of every kind'],
    },
    {
      name: 'Metrics: counters, distributions, gauges',
      typescript: [
        'counters, distributions and gauges are added up',
        'a counter of one name in two transforms is summed, and told apart',
      ],
      python: ['Python: counters, distributions and gauges'],
    },
    {
      name: 'Bundle finalization',
      typescript: ['a bundle is finalized once it counts'],
      python: ['Python: a bundle is finalized once it counts'],
    },
    {
      name: 'Reshuffle',
      typescript: [
        'reshuffle changes nothing about elements',
        'reshuffle keeps windows and timestamps',
        'sessions still merge after a reshuffle',
      ],
      python: ['Python: Create and Reshuffle'],
    },
    { name: 'Coders and schemas', typescript: ['group:values'], python: [] },
    {
      name: 'Assertions in pipelines',
      typescript: ['group:assertions'],
      python: [],
    },
  ],
  'Where in event time': [
    { name: 'Global windows', typescript: ['global windows'], python: ['Python: several outputs'] },
    {
      name: 'Fixed windows',
      typescript: [
        'fixed windows',
        'fixed windows before 1970, with an offset and a fraction of a second',
        'fixed windows of elements without timestamps',
      ],
      python: [
        'Python: fixed windows',
        'Python: windows of Python come out, and TypeScript groups in them',
      ],
    },
    {
      name: 'Sliding windows',
      typescript: ['sliding windows put an element into several'],
      python: ['Python: sliding windows'],
    },
    {
      name: 'Session windows',
      typescript: ['sessions merge within a key only'],
      python: ['Python: sessions merge within a key'],
    },
    {
      name: 'Custom windows',
      typescript: ['a window function of the user'],
      python: ['Python: a window function that only Python knows'],
    },
    {
      name: 'Custom merging windows',
      typescript: [
        'a merging window function of the user',
        'a merging window function without a merge fails the run',
      ],
      python: [
        'Python: a merging window function that only Python knows',
        'Python: values are combined in windows that a function of Python merges',
      ],
    },
    {
      name: 'Timestamp control',
      typescript: ['group:windowing'],
      python: ['Python: timestamp combiners'],
    },
  ],
  'When in processing time': [
    {
      name: 'Configurable triggering, composite triggers',
      typescript: ['group:triggers'],
      python: ['Python: a trigger of every third element'],
    },
    {
      name: 'Early, on-time and late panes over time',
      typescript: ['early, on-time and late panes of a scripted stream'],
      python: [
        'Python: early, on-time and late panes that accumulate',
        'Python: panes that discard, and late elements dropped',
      ],
    },
    {
      name: 'Processing-time triggers that look at a clock',
      typescript: ['panes by the clock of a scripted stream'],
      python: ['Python: a composite trigger that looks at the clock'],
    },
    {
      name: 'Event-time timers',
      typescript: [
        'a timer fires in its window, and its output has its time',
        'timers by tags, replaced and cleared, with an output timestamp',
        'timers that another one takes back or moves, when all are due',
        'a timer that sets itself again, with state',
        'two DoFns, one behind the other, whose timers have one name',
      ],
      python: ['group:state and timers in Python'],
    },
    {
      name: 'Processing-time timers',
      typescript: ['a timer by the clock'],
      python: ['Python: a timer in processing time'],
    },
    {
      name: 'Test streams: scripts of elements, watermarks and time',
      typescript: ['group:test streams'],
      python: ['group:test streams and Python'],
    },
  ],
  'How results relate': [
    {
      name: 'Discarding',
      typescript: ['an early pane, then the one on time, which holds what is new'],
      python: ['Python: a trigger of every third element'],
    },
    {
      name: 'Accumulating',
      typescript: ['an early pane, then the one on time, which holds all so far'],
      python: ['Python: early, on-time and late panes that accumulate'],
    },
  ],
};
