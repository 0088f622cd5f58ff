// SPDX-License-Identifier: Apache-2.0
// groupBy and groupGlobally as classes, the form in which the official SDK exports them too.

import type { KV } from '../coders/index.ts';
import { type PCollection, PTransformClass } from '../pipeline/index.ts';
import { groupBy, groupGlobally } from './group-by.ts';
import type { Fields, GroupAllKnown, GroupByExpression } from './grouping-types.ts';

/** As {@link groupBy}: `new GroupBy('shop')`, or with a function of an element. */
export class GroupBy<T, K> extends PTransformClass<
  PCollection<T>,
  PCollection<KV<K, Iterable<T>>>
> {
  private readonly transform: GroupByExpression<T, K, Record<string, K>>;

  constructor(key: Fields | ((element: T) => K | Promise<K>), keyName?: string) {
    super('GroupBy');
    this.transform = groupBy(key as (element: T) => K, keyName) as GroupByExpression<
      T,
      K,
      Record<string, K>
    >;
  }

  override expand(input: PCollection<T>): PCollection<KV<K, Iterable<T>>> {
    return input.apply(this.transform);
  }

  /** As the `combining` of {@link groupBy}. */
  get combining(): GroupByExpression<T, K, Record<string, K>>['combining'] {
    return this.transform.combining;
  }
}

/** As {@link groupGlobally}. */
export class GroupGlobally<T> extends PTransformClass<PCollection<T>, PCollection<Iterable<T>>> {
  private readonly transform = groupGlobally<T>() as unknown as GroupAllKnown<T>;

  constructor() {
    super('GroupGlobally');
  }

  override expand(input: PCollection<T>): PCollection<Iterable<T>> {
    return input.apply(this.transform);
  }

  /** As the `combining` of {@link groupGlobally}. */
  get combining(): GroupAllKnown<T>['combining'] {
    return this.transform.combining;
  }
}
