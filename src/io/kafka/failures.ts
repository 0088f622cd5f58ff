// SPDX-License-Identifier: Apache-2.0
// What a failure of a client means: whether to try again, and what to tell of it. Messages hold no
// credentials.

import { BeamBridgeError, conceal, type ErrorCode, getLogger, nap } from '../../base/index.ts';
import type { Cluster } from './connection.ts';

const log = getLogger('io');

/** How long a cluster may be away before that is an error. Milliseconds. */
const PATIENCE_MS = 60_000;
/** A topic is not known to all brokers at once, nor to one that has just started. Milliseconds. */
const TOPIC_PATIENCE_MS = 10_000;
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 2_000;

/** Codes of Kafka's protocol, by what they mean here. */
const TOPIC_MISSING = [3, 100];
const REFUSED = [29, 30, 31, 53, 58];
const TOO_LARGE = [10, 18];
const MISFIT = [...TOO_LARGE, 32, 87];
/** What only a new start mends: the producer is not known, or another took its place. */
const FENCED = [45, 47, 59, 90];

type Failure = Error & {
  readonly errors?: readonly unknown[];
  readonly code?: unknown;
  readonly apiCode?: unknown;
  readonly canRetry?: unknown;
  readonly serverErrorMessage?: unknown;
};

/** An error with all that it holds. */
function* flat(thrown: unknown): Generator<Failure> {
  if (!(thrown instanceof Error)) return;
  yield thrown as Failure;
  for (const inner of (thrown as Failure).errors ?? []) yield* flat(inner);
  yield* flat(thrown.cause);
}

/** Whether a failure holds one of these codes of the protocol. */
export function hasApiCode(thrown: unknown, codes: readonly number[]): boolean {
  return [...flat(thrown)].some(({ apiCode }) => codes.includes(apiCode as number));
}

/** Whether a broker has answered, and the failure is what it said. */
export function isAnswer(thrown: unknown): boolean {
  return [...flat(thrown)].some(({ apiCode }) => apiCode !== undefined);
}

/** Whether a topic is said not to exist; right after it was made that may be said for a moment. */
export function isTopicMissing(thrown: unknown): boolean {
  const says = [...flat(thrown)].some(({ message }) => /^Unknown topic /.test(message));
  return says || hasApiCode(thrown, TOPIC_MISSING);
}

/** Whether a batch is larger than its topic allows. */
export function isTooLarge(thrown: unknown): boolean {
  return hasApiCode(thrown, TOO_LARGE);
}

/** What a failure is for whoever runs the pipeline. */
export function codeOf(thrown: unknown): ErrorCode {
  const all = [...flat(thrown)];
  if (all.some(({ code }) => code === 'PLT_KFK_AUTHENTICATION') || hasApiCode(thrown, REFUSED)) {
    return 'CREDENTIALS_REFUSED';
  }
  if (isTopicMissing(thrown)) return 'TOPIC_NOT_FOUND';
  if (all.some(({ code }) => /UNSUPPORTED/.test(String(code)))) return 'UNSUPPORTED';
  if (hasApiCode(thrown, MISFIT)) return 'ENDPOINT_REFUSED';
  if (hasApiCode(thrown, FENCED)) return 'IO_FAILED';
  const isOfProtocol = all.some(({ apiCode }) => apiCode !== undefined);
  const isFinal = all.some(({ apiCode, canRetry }) => apiCode !== undefined && canRetry === false);
  if (isOfProtocol && isFinal) return 'ENDPOINT_REFUSED';
  // Of the client or of the system: everything else is a defect, which no patience mends.
  const isKnown = all.some(({ code }) => /^(?:PLT_KFK_|E[A-Z]{2})/.test(String(code)));
  if (!isKnown) return 'INTERNAL';
  return 'ENDPOINT_UNAVAILABLE';
}

const HINTS: Partial<Record<ErrorCode, string>> = {
  CREDENTIALS_REFUSED: 'Look at sasl and tls, and at what the cluster allows this user.',
  TOPIC_NOT_FOUND: 'Create the topic first, or look at its name and at what this user may see.',
  ENDPOINT_UNAVAILABLE:
    'Is a broker there, does it advertise an address that can be reached from here, and does it want tls?',
  ENDPOINT_REFUSED: 'The message is of the broker: see its configuration.',
  IO_FAILED: 'Run the pipeline again; what was written before is written again.',
  UNSUPPORTED: 'Kafka 3.1 or later is needed, and for zstd Node.js 22.15 or later.',
};

/** A failure as an error of this package. */
function failed(what: string, thrown: unknown, cluster: Cluster): BeamBridgeError {
  if (thrown instanceof BeamBridgeError) return thrown;
  const code = codeOf(thrown);
  return new BeamBridgeError(code, `${what}: ${said(thrown, cluster)}`, { hint: HINTS[code] });
}

/** What all parts of a failure say, each once. */
function said(thrown: unknown, { secrets }: Cluster): string {
  const texts = new Set<string>();
  for (const { message, errors, serverErrorMessage } of flat(thrown)) {
    if (typeof serverErrorMessage === 'string') texts.add(serverErrorMessage);
    // What holds others says only that they are there.
    if (message && !errors?.length) texts.add(message.split('\n')[0]!);
  }
  let text = [...texts].slice(0, 4).join('; ') || String(thrown);
  for (const secret of secrets) text = text.replaceAll(secret, '[credential]');
  return conceal(text);
}

/** Counts how long something has failed, in a row. */
export class Patience {
  private since: number | undefined;
  private pause = FIRST_PAUSE_MS;

  constructor(private readonly millis = PATIENCE_MS) {}

  /** It has succeeded. */
  succeeded(): void {
    this.since = undefined;
    this.pause = FIRST_PAUSE_MS;
  }

  /**
   * How long to wait before it is tried again.
   *
   * @throws the error that it is, when it is final or was so for too long
   */
  failed(what: string, thrown: unknown, cluster: Cluster): number {
    // What has been judged already is final.
    if (thrown instanceof BeamBridgeError) throw thrown;
    const now = performance.now();
    if (this.since === undefined) {
      this.since = now;
      log.debug(`${what}, trying again: ${said(thrown, cluster)}`);
    }
    const error = failed(what, thrown, cluster);
    const isPassing = error.code === 'ENDPOINT_UNAVAILABLE' || error.code === 'TOPIC_NOT_FOUND';
    const waited = now - this.since;
    if (!isPassing) throw error;
    const most =
      error.code === 'TOPIC_NOT_FOUND' ? Math.min(TOPIC_PATIENCE_MS, this.millis) : this.millis;
    if (waited >= most) {
      throw new BeamBridgeError(
        error.code,
        `${error.shortMessage} (tried for ${Math.round(waited / 1000)} s)`,
        { hint: error.hint },
      );
    }
    const pause = Math.min(this.pause, most - waited);
    this.pause = Math.min(this.pause * 2, LONGEST_PAUSE_MS);
    return pause;
  }
}

/** Does something until it succeeds, for as long as a cluster may be away. */
export async function patiently<T>(
  what: string,
  cluster: Cluster,
  work: () => Promise<T>,
): Promise<T> {
  const patience = new Patience(cluster.patienceMillis);
  for (;;) {
    try {
      return await work();
    } catch (error) {
      await nap(patience.failed(what, error, cluster));
    }
  }
}
