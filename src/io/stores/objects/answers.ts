// SPDX-License-Identifier: Apache-2.0
// What a service answers is taken for what was asked only where it says so itself: something in between, or a service
// that knows half of the protocol, answers 200 to nearly anything.

import type { FileLook } from '../store.ts';
import type { ListedObject, ObjectBytes } from './client.ts';
import { versionText } from './read.ts';

/** An answer to a request for a part of an object. */
export interface RangeAnswer extends ObjectBytes {
  readonly status: number | undefined;
  /** `Content-Range` */
  readonly range: string | undefined;
  /** `Content-Length`, in bytes */
  readonly length: number | undefined;
}

/**
 * The bytes from `start` to before `end` of an answer, whose others are let go of: all that came would otherwise count
 * from where it was asked for.
 */
export function rangeBytes(answer: RangeAnswer, start: number, end: number): ObjectBytes {
  const { status, range, length, version, chunks } = answer;
  if (status === 206 && range?.startsWith(`bytes ${start}-${end - 1}/`)) return { version, chunks };
  const isWhole = status === 200 && range === undefined && start === 0;
  if (isWhole && length === end) return { version, chunks };
  (chunks as { destroy?(): void }).destroy?.();
  const asked = `bytes ${start}-${end - 1}`;
  throw new Error(
    status === 206
      ? `the service gives ${range ?? 'a part that it does not name'}, and not ${asked}`
      : `the service gives no parts of objects: to ${asked} it answers ${status}`,
  );
}

/** What an object is by an answer; without a tag nobody can be told that it changes, which readers refuse. */
export function lookOf(size: number | undefined, tag: string | undefined): FileLook {
  if (size === undefined || !Number.isSafeInteger(size) || size < 0)
    throw new Error('the service does not say how large it is');
  return { size, version: versionText(size, tag ?? '') };
}

/** One answer of a list. */
export interface ListPage {
  readonly keys: readonly string[];
  /** What the next page is asked by; nothing for the last. */
  readonly next: string | undefined;
}

/** All objects of a list that comes in pages. */
export async function* allPages(
  pageBehind: (token: string | undefined) => Promise<ListPage>,
): AsyncGenerator<ListedObject> {
  let token: string | undefined;
  do {
    const { keys, next } = await pageBehind(token);
    for (const key of keys) yield { key };
    if (next !== undefined && next === token)
      throw new Error('the service names the same page of a list again');
    token = next;
  } while (token !== undefined);
}

/** @throws for an answer that is no list, which would count as one of nothing */
export function noList(): never {
  throw new Error('the service answers with something else than a list');
}
