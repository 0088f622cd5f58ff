// SPDX-License-Identifier: Apache-2.0
// What follows from a trigger: whether it may end before its window does, and which trigger a
// grouping hands on. Beam's rules, as in Python's TriggerFn and Java's GroupByKey.

import { create, type MessageInitShape, pb } from '../proto/index.ts';

type Message = MessageInitShape<typeof pb.TriggerSchema>;
type Case = pb.Trigger['trigger'];

function caseOf(message: Message | undefined): Case {
  return create(pb.TriggerSchema, message).trigger;
}

/**
 * Whether a trigger can fire for the last time before all elements of a window came, so that the
 * rest of them would be dropped.
 *
 * @param allowedLateness - in milliseconds
 */
export function mayLoseData(message: Message, allowedLateness: number): boolean {
  const mayFinish = (one: Message) => mayLoseData(one, allowedLateness);
  const given = caseOf(message);
  switch (given.case) {
    case 'afterProcessingTime':
    case 'elementCount':
      return true;
    case 'afterEndOfWindow':
      // Late firings are repeated, so they never end.
      return allowedLateness > 0 && !given.value.lateFirings;
    case 'afterAny':
      return given.value.subtriggers.some(mayFinish);
    case 'afterAll':
    case 'afterEach':
      return given.value.subtriggers.every(mayFinish);
    case 'orFinally':
      return [given.value.main, given.value.finally].some((one) => one && mayFinish(one));
    default:
      return false;
  }
}

/**
 * Whether a trigger can end while elements of a window are still to come: {@link mayLoseData}, and
 * what Beam leaves to Java's types. There `afterAny`, `afterAll` and the end of `orFinally` take only
 * triggers that fire once; here they take any, and the first firing of such a part is its last.
 *
 * @param allowedLateness - in milliseconds
 */
export function mayEndEarly(message: Message, allowedLateness: number): boolean {
  const endsEarly = (one: Message) => mayEndEarly(one, allowedLateness);
  const firesEarly = (one: Message) => mayFireEarly(one, allowedLateness);
  if (mayLoseData(message, allowedLateness)) return true;
  const given = caseOf(message);
  switch (given.case) {
    // As afterProcessingTime does; Python takes it for one that goes on.
    case 'afterSynchronizedProcessingTime':
      return true;
    case 'afterAny':
      return given.value.subtriggers.some(firesEarly);
    case 'afterAll':
      return given.value.subtriggers.every(firesEarly);
    case 'afterEach':
      return given.value.subtriggers.every(endsEarly);
    case 'orFinally': {
      const { main, finally: until } = given.value;
      return (main && endsEarly(main)) || (until !== undefined && firesEarly(until));
    }
    default:
      return false;
  }
}

/** Whether the first firing of a trigger can come while elements of the window are still to come. */
function mayFireEarly(message: Message, allowedLateness: number): boolean {
  const firesEarly = (one: Message | undefined) =>
    one !== undefined && mayFireEarly(one, allowedLateness);
  const given = caseOf(message);
  switch (given.case) {
    case 'default':
      return allowedLateness > 0;
    case 'afterEndOfWindow':
      return allowedLateness > 0 || firesEarly(given.value.earlyFirings);
    case 'never':
      return false;
    case 'repeat':
      return firesEarly(given.value.subtrigger);
    case 'afterAny':
      return given.value.subtriggers.some(firesEarly);
    case 'afterAll':
      return given.value.subtriggers.every(firesEarly);
    case 'afterEach':
      return firesEarly(given.value.subtriggers[0]);
    case 'orFinally':
      return firesEarly(given.value.main) || firesEarly(given.value.finally);
    default:
      return true;
  }
}

/**
 * The trigger behind a grouping that fires by `message`: what is early stays early there.
 *
 * @param isOnce - whether only its first firing counts, as that of a part of `afterAny` does. Of several in turn it is the
 *   first one's then, and the others, which may fire earlier, have no say behind the grouping either.
 */
export function continuationTrigger(message: Message, isOnce = false): Message {
  const same = (one: Message | undefined) => continuationTrigger(one ?? {}, isOnce);
  const once = (one: Message | undefined) => continuationTrigger(one ?? {}, true);
  const given = caseOf(message);
  switch (given.case) {
    case 'afterProcessingTime':
      return { trigger: { case: 'afterSynchronizedProcessingTime', value: {} } };
    case 'elementCount':
      return { trigger: { case: 'elementCount', value: { elementCount: 1 } } };
    case 'afterEndOfWindow': {
      const { earlyFirings, lateFirings } = given.value;
      const value = {
        ...(earlyFirings ? { earlyFirings: same(earlyFirings) } : {}),
        ...(lateFirings ? { lateFirings: same(lateFirings) } : {}),
      };
      return { trigger: { case: 'afterEndOfWindow', value } };
    }
    case 'repeat':
      return { trigger: { case: 'repeat', value: { subtrigger: same(given.value.subtrigger) } } };
    case 'afterAny':
    case 'afterAll': {
      const subtriggers = given.value.subtriggers.map(once);
      return { trigger: { case: given.case, value: { subtriggers } } };
    }
    case 'afterEach': {
      const { subtriggers } = given.value;
      if (isOnce) return once(subtriggers[0]);
      const subtrigger: Message = {
        trigger: { case: 'afterAny', value: { subtriggers: subtriggers.map(same) } },
      };
      return { trigger: { case: 'repeat', value: { subtrigger } } };
    }
    case 'orFinally': {
      const value = { main: same(given.value.main), finally: once(given.value.finally) };
      return { trigger: { case: 'orFinally', value } };
    }
    default:
      return { trigger: given };
  }
}

/**
 * Whether a trigger can fire more than once for a window of a stream.
 *
 * @param allowedLateness - in milliseconds
 */
export function mayFireAgain(message: Message, allowedLateness: number): boolean {
  if (allowedLateness > 0) return true;
  const given = caseOf(message);
  switch (given.case) {
    case 'default':
    case 'never':
      return false;
    case 'afterEndOfWindow':
      return given.value.earlyFirings !== undefined;
    default:
      return true;
  }
}
