// SPDX-License-Identifier: Apache-2.0
// Which bundles, of those that are finalized, elements come of: each knows whether anything that came of it is
// under way. Elements that come of none carry nothing.

/** A bundle to be finalized, or several of them together. */
export class Origin {
  private uses = 0;

  /** @param parts - what it stands for, which is in use while it is; nothing for a bundle */
  constructor(private readonly parts: readonly Origin[] = []) {}

  /** Whether nothing that came of it is under way. */
  get isFree(): boolean {
    return this.uses === 0;
  }

  /** Something that comes of it is under way, until {@link release} is called as often. */
  retain(): void {
    this.use(1);
  }

  release(): void {
    this.use(-1);
  }

  /** By a list: what many bundles have gone into is as many levels deep. */
  private use(by: 1 | -1): void {
    const changed: Origin[] = [this];
    for (let origin = changed.pop(); origin; origin = changed.pop()) {
      origin.uses += by;
      const isFirstOrLast = origin.uses === (by === 1 ? 1 : 0);
      if (isFirstOrLast) changed.push(...origin.parts);
    }
  }
}

/** What comes of two. */
export function joined(one: Origin | undefined, other: Origin | undefined): Origin | undefined {
  if (!one || !other || one === other) return one ?? other;
  return new Origin([one, other]);
}

/** What several blocks come of, which is in use until they are released. */
export class Origins {
  private known: Set<Origin> | undefined;
  /** All together. */
  all: Origin | undefined;

  add(origin: Origin | undefined): void {
    if (!origin || this.known?.has(origin)) return;
    this.known ??= new Set();
    this.known.add(origin);
    const before = this.all;
    this.all = joined(before, origin)!;
    this.all.retain();
    before?.release();
  }

  release(): void {
    this.all?.release();
    this.all = undefined;
    this.known = undefined;
  }
}
