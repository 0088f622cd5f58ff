// SPDX-License-Identifier: Apache-2.0
// Faults to plant, one of each kind that was found in this house once, each as an edit of one line:
// `npm run planted-faults` makes it in a copy and shows that the fuzzer finds it.

export interface Fault {
  readonly name: string;
  readonly file: string;
  /** This line, which is there once … */
  readonly from: string;
  /** … becomes this. */
  readonly to: string;
  /** With what it is found. */
  readonly kind: string;
  readonly runner: string;
}

const GROUPING = 'src/runners/node/engine/grouping';

export const FAULTS: readonly Fault[] = [
  {
    name: 'a flatten of unequal coders is an alias, and nothing transcodes',
    file: 'src/runners/node/engine/recode-steps.ts',
    from: 'inputs[tag] = isAlike',
    to: 'inputs[tag] = isAlike || true',
    kind: 'python',
    runner: 'node',
  },
  {
    name: 'a late element is kept',
    file: `${GROUPING}/triggered-groups.ts`,
    from: 'if (table.isOver(given, moment)) {',
    to: 'if (table.isOver(given, moment) && moment.watermark < 0) {',
    kind: 'streams',
    runner: 'node',
  },
  {
    name: "a pane's index is not advanced",
    file: `${GROUPING}/window-state.ts`,
    from: 'index: lastPane ? lastPane.index + 1 : 0,',
    to: 'index: lastPane ? lastPane.index : 0,',
    kind: 'streams',
    runner: 'node',
  },
  {
    name: 'accumulators are shared between windows',
    file: 'src/harness/engine/operators/combine.ts',
    from: 'if (this.step === convertToAccumulator && element.windows.length > 1) {',
    to: 'if (this.step === convertToAccumulator && element.windows.length > 99) {',
    kind: 'streams',
    runner: 'node',
  },
  {
    name: 'sessions that only touch are merged',
    file: 'src/transforms/windowings.ts',
    from: 'if (last && window.start < last.to.end) {',
    to: 'if (last && window.start <= last.to.end) {',
    kind: 'streams',
    runner: 'node',
  },
  {
    name: 'equal keys have unequal bytes',
    file: 'src/coders/js/write.ts',
    from: 'if (sorted) names.sort();',
    to: '',
    kind: 'batch',
    runner: 'node',
  },
  {
    name: 'a fraction is cut to a whole number where it is encoded',
    file: 'src/coders/js/write.ts',
    from: '    out.byte(Tag.DOUBLE);\n    out.float64(value);',
    to: '    out.byte(Tag.DOUBLE);\n    out.float64(Math.trunc(value));',
    kind: 'batch',
    runner: 'encoded',
  },
  {
    name: 'wrappers are taken off in one order only',
    file: 'src/harness/engine/unwrap.ts',
    from: '      ({ timestamp } = value);',
    to: '      return { ...value, tag };',
    kind: 'slips',
    runner: 'node',
  },
  {
    name: 'an element of a window that has expired meets empty state',
    file: 'src/runners/node/engine/stage/late-elements.ts',
    from: 'return windowExpiry(window, this.allowedLateness) < watermark;',
    to: 'return windowExpiry(window, this.allowedLateness) < -watermark;',
    kind: 'keeping',
    runner: 'node',
  },
  {
    name: 'a side input is forgotten before timers fire',
    file: 'src/runners/node/engine/stage/stage-node.ts',
    from: 'view.readBy(() => this.outputWatermark, owner.allowedLateness);',
    to: 'view.readBy(() => this.inputWatermark);',
    kind: 'keeping',
    runner: 'node',
  },
  {
    name: 'windows are assigned once to an element that is in several',
    file: 'src/harness/engine/operators/assign-windows.ts',
    from: 'return before > 1 ? this.repeat(out, before) : this.out.receive(out);',
    to: 'return this.out.receive(out);',
    kind: 'batch',
    runner: 'node',
  },
  {
    name: 'state goes when the watermark moves, before its timers have fired',
    file: 'src/runners/node/engine/stage/stage-node.ts',
    from: 'if (owner.timers?.isDue(inputWatermark, owner.around.now())) return;',
    to: '',
    kind: 'keeping',
    runner: 'node',
  },
];
