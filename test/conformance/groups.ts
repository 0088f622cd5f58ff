// SPDX-License-Identifier: Apache-2.0
// All cases, by what they are about.

import type { Cases } from './case.ts';
import { assertions } from './cases/assertions.ts';
import { batching } from './cases/batching.ts';
import { combining } from './cases/combining.ts';
import { elementwise } from './cases/elementwise.ts';
import { filesApart } from './cases/files-apart.ts';
import { grouping } from './cases/grouping.ts';
import { lifecycle } from './cases/lifecycle.ts';
import {
  pythonParDo,
  pythonSideInputs,
  pythonSources,
  pythonState,
} from './cases/python-par-do.ts';
import { pythonStreams, pythonWindowing } from './cases/python-windowing.ts';
import { records } from './cases/records.ts';
import { shaping } from './cases/shaping.ts';
import { sideInputs } from './cases/side-inputs.ts';
import { sources } from './cases/sources.ts';
import { splittable } from './cases/splittable.ts';
import { state } from './cases/state.ts';
import { testStreams } from './cases/test-streams.ts';
import { text } from './cases/text.ts';
import { triggers } from './cases/triggers.ts';
import { values } from './cases/values.ts';
import { windowing } from './cases/windowing.ts';

/** Cases whose DoFns are written in TypeScript. */
export const groups: Readonly<Record<string, Cases>> = {
  elementwise,
  values,
  grouping,
  combining,
  batching,
  shaping,
  'side inputs': sideInputs,
  windowing,
  triggers,
  'state and timers': state,
  'splittable DoFns': splittable,
  'sources over time': sources,
  'life cycle': lifecycle,
  text,
  records,
  'files apart': filesApart,
  assertions,
  'test streams': testStreams,
};

/** Cases whose DoFns are written in Python. */
export const pythonGroups: Readonly<Record<string, Cases>> = {
  'DoFns in Python': pythonParDo,
  'side inputs in Python': pythonSideInputs,
  'windowing in Python': pythonWindowing,
  'state and timers in Python': pythonState,
  'sources in Python': pythonSources,
  'test streams and Python': pythonStreams,
};
