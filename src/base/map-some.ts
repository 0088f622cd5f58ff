// SPDX-License-Identifier: Apache-2.0
// Many things that each take a descriptor or a socket, a few at a time.

const AT_ONCE = 64;

/** What `fn` gives for each item, in their order; no more than `atOnce` calls are under way. */
export async function mapSome<T, O>(
  items: readonly T[],
  fn: (item: T, index: number) => Promise<O>,
  atOnce = AT_ONCE,
): Promise<O[]> {
  const results = new Array<O>(items.length);
  let next = 0;
  const work = async () => {
    // The first error ends all: the others take no further items.
    try {
      while (next < items.length) {
        const index = next++;
        results[index] = await fn(items[index]!, index);
      }
    } catch (error) {
      next = items.length;
      throw error;
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, work));
  return results;
}
