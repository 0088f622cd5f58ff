// SPDX-License-Identifier: Apache-2.0
// Faults to plant, one of each kind that was found in this house once, each as an edit of one line:
// `npm run planted-faults` makes it in a copy and shows that the fuzzer finds it; or the tests of a kind of
// their own, where a fault shows in time only, or inside Python.

export interface Fault {
  readonly name: string;
  readonly file: string;
  /** This line, which is there once … */
  readonly from: string;
  /** … becomes this. */
  readonly to: string;
  /** With what it is found: pipelines of a kind, or tests in a file or in a module of Python's. */
  readonly by:
    | { readonly kind: string; readonly runner: string }
    | { readonly test: string }
    | { readonly module: string };
}

const GROUPING = 'src/runners/node/engine/grouping';
const STAGE = 'src/runners/node/engine/stage';

export const FAULTS: readonly Fault[] = [
  {
    name: 'a flatten of unequal coders is an alias, and nothing transcodes',
    file: 'src/runners/node/engine/recode-steps.ts',
    from: 'inputs[tag] = isAlike',
    to: 'inputs[tag] = isAlike || true',
    by: { kind: 'python', runner: 'node' },
  },
  {
    name: 'a late element is kept',
    file: `${GROUPING}/triggered-groups.ts`,
    from: 'if (table.isOver(given, moment)) {',
    to: 'if (table.isOver(given, moment) && moment.watermark < 0) {',
    by: { kind: 'streams', runner: 'node' },
  },
  {
    name: "a pane's index is not advanced",
    file: `${GROUPING}/window-state.ts`,
    from: 'index: lastPane ? lastPane.index + 1 : 0,',
    to: 'index: lastPane ? lastPane.index : 0,',
    by: { kind: 'streams', runner: 'node' },
  },
  {
    name: 'accumulators are shared between windows',
    file: 'src/harness/engine/operators/combine.ts',
    from: 'if (this.step === convertToAccumulator && element.windows.length > 1) {',
    to: 'if (this.step === convertToAccumulator && element.windows.length > 99) {',
    by: { kind: 'streams', runner: 'node' },
  },
  {
    name: 'sessions that only touch are merged',
    file: 'src/transforms/windowings.ts',
    from: 'if (last && window.start < last.to.end) {',
    to: 'if (last && window.start <= last.to.end) {',
    by: { kind: 'streams', runner: 'node' },
  },
  {
    name: 'equal keys have unequal bytes',
    file: 'src/coders/js/write.ts',
    from: 'if (sorted) names.sort();',
    to: '',
    by: { kind: 'batch', runner: 'node' },
  },
  {
    name: 'a fraction is cut to a whole number where it is encoded',
    file: 'src/coders/js/write.ts',
    from: '    out.byte(Tag.DOUBLE);\n    out.float64(value);',
    to: '    out.byte(Tag.DOUBLE);\n    out.float64(Math.trunc(value));',
    by: { kind: 'batch', runner: 'encoded' },
  },
  {
    name: 'wrappers are taken off in one order only',
    file: 'src/harness/engine/unwrap.ts',
    from: '      ({ timestamp } = value);',
    to: '      return { ...value, tag };',
    by: { kind: 'slips', runner: 'node' },
  },
  {
    name: 'an element of a window that has expired meets empty state',
    file: `${STAGE}/owner-of.ts`,
    from: '? windowExpiry(of, allowedLateness) < watermark',
    to: '? windowExpiry(of, allowedLateness) < -watermark',
    by: { kind: 'keeping', runner: 'node' },
  },
  {
    name: 'a side input is forgotten before timers fire',
    file: `${STAGE}/stage-node.ts`,
    from: 'view.readBy(() => this.needs);',
    to: 'view.readBy(() => this.inputWatermark);',
    by: { kind: 'keeping', runner: 'node' },
  },
  {
    name: 'windows are assigned once to an element that is in several',
    file: 'src/harness/engine/operators/assign-windows.ts',
    from: 'return before > 1 ? this.repeat(out, before) : this.out.receive(out);',
    to: 'return this.out.receive(out);',
    by: { kind: 'batch', runner: 'node' },
  },
  {
    name: 'state goes when the watermark moves, before its timers have fired',
    file: `${STAGE}/stage-node.ts`,
    from: 'if (owner.timers?.isDue(inputWatermark, owner.around.now())) return;',
    to: '',
    by: { kind: 'keeping', runner: 'node' },
  },
  {
    name: "an element's own time says whether it is late, not the end of its window",
    file: `${STAGE}/late-elements.ts`,
    from: 'if (block.hold >= watermark) return block;',
    to: 'if (block.elements.every((one) => one.timestamp >= watermark)) return block;',
    by: { kind: 'keeping', runner: 'node' },
  },
  {
    name: 'what waits does not hold its window when its timestamp was moved',
    file: 'src/runners/node/engine/block.ts',
    from: 'for (const window of windows) hold = Math.min(hold, window.maxTimestamp());',
    to: '',
    by: { kind: 'slow', runner: 'node' },
  },
  {
    name: 'timers fire before the elements of their instant',
    file: 'src/runners/node/engine/user-timers.ts',
    from: 'return time < watermark || watermark >= MAX_TIMESTAMP;',
    to: 'return time <= watermark;',
    by: { kind: 'slow', runner: 'node' },
  },
  {
    name: 'timers after blocks: none fires while elements wait',
    file: `${STAGE}/next-bundle.ts`,
    from: "(kind !== 'timers' || running === 0);",
    to: "(kind !== 'timers' || (running === 0 && !moment.isThere.elements));",
    by: { test: 'test/unit/runners/node/fairness.test.ts' },
  },
  {
    name: "a batch's types from data: a column has the type that its values seem to have",
    file: 'python-env/beambridge_host/wire/frames.py',
    from: 'np.asarray([np.nan if value is None else value for value in values], kind)',
    to: 'np.asarray([np.nan if value is None else value for value in values])',
    by: { module: 'tests.metamorphic.test_examples' },
  },
];
