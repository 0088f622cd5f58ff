// SPDX-License-Identifier: Apache-2.0
// Assertions about the elements of one window or pane. Beam's PAssert is the model.

import { BeamBridgeError } from '../base/index.ts';
import { type Coder, encodeValue, type PaneInfo, Timing, type Window } from '../coders/index.ts';
import { extractName, type PCollection, paneInfoParam, windowParam } from '../pipeline/index.ts';
import { filter } from '../transforms/index.ts';
import { requireFunction } from './assert.ts';
import { Assertion, awaitCheck, type Check, givenCheck } from './assertion.ts';
import { checkContents } from './difference.ts';

/** Which elements an assertion is about. */
interface Scope {
  readonly window: Window | undefined;
  readonly pane: { readonly name: string; readonly holds: (pane: PaneInfo) => boolean } | undefined;
}

/**
 * Assertions about a PCollection, applied to it one by one as they are written. Each looks at the
 * elements of all windows, or of the window and the panes named before it. An `in…` gives other
 * assertions and takes back the one before: it starts from all elements again.
 *
 * Every assertion runs once, when all elements are there, and also when there are none. One that does
 * not hold fails the run with `ASSERTION_FAILED`, which says what was found, what was expected and in
 * which line of the program the assertion stands.
 */
export class PCollectionAssert<T> {
  /** Made by {@link assertThat}. @internal */
  constructor(
    private readonly pcoll: PCollection<T>,
    private readonly scope: Scope = { window: undefined, pane: undefined },
  ) {
    awaitCheck(this, pcoll.pipeline);
  }

  /**
   * About the elements of this window, in whichever pane they came.
   *
   * @param window - such as `new IntervalWindow(0, 60_000)`
   * @throws `INVALID_ARGUMENT` for a window of another kind than the PCollection's
   */
  inWindow(window: Window): PCollectionAssert<T> {
    return this.within(window, undefined);
  }

  /** About the elements of the pane that fired when the watermark passed the end of the window. */
  inOnTimePane(window?: Window): PCollectionAssert<T> {
    return this.within(window, {
      name: 'the on-time pane',
      holds: ({ timing }) => timing === Timing.ON_TIME,
    });
  }

  /** About the elements of all panes that fired before the watermark passed the end of the window. */
  inEarlyPanes(window?: Window): PCollectionAssert<T> {
    return this.within(window, {
      name: 'the early panes',
      holds: ({ timing }) => timing === Timing.EARLY,
    });
  }

  /** About the elements of all panes that fired after the one on time. */
  inLatePanes(window?: Window): PCollectionAssert<T> {
    return this.within(window, {
      name: 'the late panes',
      holds: ({ timing }) => timing === Timing.LATE,
    });
  }

  /** About the elements of the last pane of a window. What was never grouped is in its only pane. */
  inFinalPane(window?: Window): PCollectionAssert<T> {
    return this.within(window, { name: 'the final pane', holds: ({ isLast }) => isLast });
  }

  /** Exactly these elements, in any order, equal in depth and in type. */
  containsInAnyOrder(...expected: readonly T[]): this {
    const where = this.where();
    return this.check('containsInAnyOrder', (actual) => checkContents(actual, expected, where));
  }

  /** No elements. */
  empty(): this {
    const where = this.where();
    return this.check('empty', (actual) => checkContents(actual, [], where));
  }

  /**
   * `check` neither throws nor rejects nor returns false, called once with the elements in no order.
   *
   * @example
   * ```ts
   * assertThat(scores).satisfies((all) => assert.ok(all.length > 3));
   * ```
   */
  satisfies(check: Check<T>): this {
    requireFunction(check, 'satisfies');
    const name = extractName(check);
    return this.check(`satisfies${name ? `(${name})` : ''}`, check);
  }

  private within(window: Window | undefined, pane: Scope['pane']): PCollectionAssert<T> {
    if (window) this.bytesOf(window);
    givenCheck(this, this.pcoll.pipeline);
    return new PCollectionAssert(this.pcoll, { window, pane });
  }

  private check(name: string, check: Check<T>): this {
    givenCheck(this, this.pcoll.pipeline);
    const { window, pane } = this.scope;
    const where = this.where();
    const labelled = `assertThat${where && `(${where})`}.${name}`;
    if (!window && !pane) {
      this.pcoll.apply(new Assertion<T>(labelled, check));
      return this;
    }
    const wanted = window && this.bytesOf(window);
    const holds = (_: T, at: ReturnType<typeof context>) =>
      (!wanted || Buffer.compare(wanted, this.bytesOf(at.window.lookup())) === 0) &&
      (!pane || pane.holds(at.pane.lookup()));
    const chosen = filter<T, ReturnType<typeof context>>(holds, context());
    chosen.beamName = `select(${where})`;
    this.pcoll.apply(chosen).apply(new Assertion<T>(labelled, check));
    return this;
  }

  /** In words; empty for all elements. */
  private where(): string {
    const { window, pane } = this.scope;
    return [pane?.name, window && `window ${String(window)}`].filter(Boolean).join(' of ');
  }

  private bytesOf(window: Window): Uint8Array {
    const { windowFn } = this.pcoll.node.windowing;
    try {
      return encodeValue(windowFn.windowCoder() as Coder<Window>, window);
    } catch (cause) {
      throw new BeamBridgeError(
        'INVALID_ARGUMENT',
        `${String(window)} is no window of a PCollection in ${extractName(windowFn) ?? 'windows of its own'}`,
        {
          cause,
          hint: 'Give new IntervalWindow(start, end), in milliseconds, for fixed, sliding and session windows.',
        },
      );
    }
  }
}

function context() {
  return { window: windowParam(), pane: paneInfoParam() };
}

/**
 * Assertions about the contents of a PCollection, all of it or by window and pane.
 *
 * @example
 * ```ts
 * assertThat(counts)
 *   .containsInAnyOrder({ element: 'to', count: 2 }, { element: 'be', count: 2 })
 *   .inOnTimePane(new IntervalWindow(0, 60_000))
 *   .containsInAnyOrder({ element: 'to', count: 1 })
 *   .inLatePanes()
 *   .empty();
 * ```
 */
export function assertThat<T>(pcoll: PCollection<T>): PCollectionAssert<T> {
  return new PCollectionAssert(pcoll);
}
