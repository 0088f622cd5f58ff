// SPDX-License-Identifier: Apache-2.0
// An oracle for groupings: windows, panes, triggers and lateness by Beam's model.
//
//   runReference({ windowing: { kind: 'fixed', size: 10 } }, [
//     { elements: [{ key: 'a', value: 1, timestamp: 3 }] },
//     { watermark: 10 },
//     { processingTime: 1000 },
//   ]);  // { panes: [{ key: 'a', window: { start: 0, end: 10 }, values: [1], timing: 'onTime', … }], dropped }
//
// `runReferenceBatch(strategy, elements)` is the same for a bounded PCollection, and `Reference` takes
// step by step. `windowIntoOf(strategy)` is the strategy as a transform, to run it in a pipeline.
//
// What the model leaves open is decided as follows. Elements of one step arrive together. A window
// that the watermark passes together with its allowed lateness gives one last pane. An empty pane on
// time comes only where the trigger fires. Time that passes fires what is due at that time, not only
// what was due before it. A trigger that ends before its window does is refused by pipelines, so
// what follows it is not worth checking (`mayEndEarly` in the transforms' rules tells which these are).

export { Reference, runReference, runReferenceBatch } from './reference.ts';
export { triggerOf, windowIntoOf } from './to-pipeline.ts';
export type {
  Element,
  Outcome,
  Pane,
  Step,
  Strategy,
  Timing,
  Trigger,
  Windowing,
} from './types.ts';
export { GLOBAL_END, GREATEST_TIME, LEAST_TIME, windowsAt } from './windows.ts';
