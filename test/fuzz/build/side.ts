// SPDX-License-Identifier: Apache-2.0
// Side inputs of random pipelines.

import type { PCollection } from '../../../src/pipeline/index.ts';
import {
  combinePerKey,
  count,
  countGlobally,
  iterableSideInput,
  listSideInput,
  mapSideInput,
  multimapSideInput,
  singletonSideInput,
} from '../../../src/transforms/index.ts';
import { amount, amounts } from '../functions.ts';
import type { Step } from '../program.ts';

type Any = PCollection<unknown>;
type SideStep = Extract<Step, { op: 'side' }>;

export function withSide(input: Any, side: Any, { how }: SideStep): Any {
  switch (how) {
    case 'iterable':
      return input.map((value, { all }) => ({ value, side: amounts(all.lookup()) }), {
        all: iterableSideInput(side),
      });
    case 'list':
      return input.map(
        (value, all) => ({ value, side: amounts(all.lookup()) }),
        listSideInput(side),
      );
    case 'singleton':
      return input.map((value, { n }) => ({ value, side: n.lookup() }), {
        n: singletonSideInput(side.apply(countGlobally()), -1),
      });
    case 'map': {
      const counts = side
        .map((value) => ({ key: amount(value) % 3, value }))
        .apply(combinePerKey<number, unknown, number, number>(count));
      return input.map(
        (value, { all }) => ({ value, side: [...all.lookup()].sort(([a], [b]) => a - b) }),
        { all: mapSideInput(counts) },
      );
    }
    case 'multimap': {
      const pairs = side.map((value) => ({ key: amount(value) % 3, value: amount(value) }));
      return input.map(
        (value, { all }) => ({
          value,
          side: [...all.lookup()]
            .sort(([a], [b]) => a - b)
            .map(([key, each]) => [key, [...each].sort((a, b) => a - b)]),
        }),
        { all: multimapSideInput(pairs) },
      );
    }
  }
}
