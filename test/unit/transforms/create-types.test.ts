// SPDX-License-Identifier: Apache-2.0
// What create and withPostprocess tell the compiler of values that a schema declares; the compiler is the test.

import { RunInference, sklearn } from '../../../src/ml/index.ts';
import { type PCollection, Pipeline, Root } from '../../../src/pipeline/index.ts';
import {
  enumeration,
  float32,
  float64,
  int64,
  nullable,
  row,
  type Tensor,
  tensor,
} from '../../../src/schema/index.ts';
import { create } from '../../../src/transforms/index.ts';

const root = new Root(new Pipeline());
const city = enumeration(['oslo', 'rome']);
const visit = row({ city, age: nullable(int64) });
type Visit = { city: 'oslo' | 'rome'; age: number | null };

export const visits: PCollection<Visit> = root.apply(
  create(
    [
      { city: 'oslo', age: 3 },
      { city: 'rome', age: null },
    ],
    { schema: visit },
  ),
);
export const cities: PCollection<'oslo' | 'rome'> = root.apply(create(['oslo'], { schema: city }));
export const images: PCollection<Tensor<'float32'>> = root.apply(
  create(
    [
      [
        [1, 2],
        [3, 4],
      ],
    ],
    { schema: tensor(float32, [2, 2]) },
  ),
);
/** What the compiler refuses, and the coder too when it is run. */
export const refused = () => {
  // @ts-expect-error: no city of these
  root.apply(create(['paris'], { schema: city }));
  // @ts-expect-error: no city of these
  root.apply(create([{ city: 'paris', age: 3 }], { schema: visit }));
  // @ts-expect-error: an age is missing
  root.apply(create([{ city: 'oslo' }], { schema: visit }));
};

// Without a schema elements are what TypeScript takes them for, and may be compared with anything.
export const words: PCollection<string> = root.apply(create(['a', 'b']));
export const others = words.filter((word) => word === 'c');
export const spread: PCollection<number> = root.apply(create([1, 2], true));

const handler = sklearn({ modelUri: 'm.pkl', example: visit, inference: float64 });
export const scored: PCollection<{ example: Visit; inference: number }> = root
  .apply(create([{ city: 'oslo', age: 3 }], { schema: handler.example }))
  .apply(RunInference.of(handler));
export const widened = () =>
  // @ts-expect-error: any string is no city
  root.apply(create([{ city: 'oslo', age: 3 }])).apply(RunInference.of(handler));

export const where: PCollection<'oslo' | 'rome'> = visits.apply(
  RunInference.of(handler).withPostprocess(
    ({ inference }) => (inference > 1 ? 'oslo' : 'rome'),
    city,
  ),
);
// @ts-expect-error: no city of these
RunInference.of(handler).withPostprocess(() => 'paris', city);
export const plain: PCollection<string> = visits.apply(
  RunInference.of(handler).withPostprocess(({ inference }) => `${inference}`),
);
export const later: PCollection<{ city: 'oslo' | 'rome' }> = visits.apply(
  RunInference.of(handler).withPostprocess(async () => ({ city: 'oslo' }), row({ city })),
);
