// SPDX-License-Identifier: Apache-2.0
// Groups elements by key and window as Beam's GroupByKey does: triggers, panes, lateness, merging
// windows, watermark holds. Knows no gRPC and no scheduler; may import coders, pipeline and base.

export { Grouping } from './grouping.ts';
export type { Dropped, GroupingOptions, Panes } from './options.ts';
