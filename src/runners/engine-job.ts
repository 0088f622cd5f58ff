// SPDX-License-Identifier: Apache-2.0
// A job as the engine behind its job service knows it, where the service tells half of the truth: that it
// runs when it has yet to be sent, that it is cancelled when nobody looks at it any more. And what engines
// can do with a job for which Beam's job API has no call.

import { BeamBridgeError } from '../base/index.ts';
import type { Pipeline } from '../pipeline/index.ts';
import { type PipelineOptions, runsElsewhere, wantsStableInput } from './options.ts';
import type { Job } from './portable/job.ts';
import { isTerminal } from './state.ts';

/** How a stream is stopped so that its state is kept. */
export interface StopWish {
  /** Whether it comes to its end first: the watermark too, so that windows and timers come out. */
  readonly drain: boolean;
  /** Called once the engine has taken the wish: what it waits for may then be ended. */
  readonly accepted?: () => void;
}

/** The job of one run. */
export interface EngineJob {
  /** Resolves when the engine has the job; rejects only when `signal` fires. */
  arrived(signal: AbortSignal): Promise<void>;
  /** Ends what is left of a job that was cancelled; resolves when the engine says that it is over. */
  ended(signal: AbortSignal): Promise<void>;
  /**
   * Stops a stream and has its state kept; resolves with where, once the engine says that it is over.
   *
   * @throws BeamBridgeError why it could not be stopped; it goes on then
   */
  stop(wish: StopWish, signal: AbortSignal): Promise<string>;
}

/**
 * Refuses to drain what would never be drained.
 *
 * @throws BeamBridgeError `UNSUPPORTED`
 */
export function refuseDrain(
  { engine }: { readonly engine?: EngineJob | undefined },
  pipeline: Pipeline,
  options: PipelineOptions,
): void {
  if (!engine) {
    throw cannot(
      'drain a job',
      "End the pipeline's sources, cancel() the job, or run it on runner: 'node'.",
    );
  }
  if (runsElsewhere(options)) {
    throw cannot(
      'drain a job whose sources run in workers elsewhere, which nobody can tell to end',
      "Keep its state with stopWithSavepoint(), cancel() it, or run it with environmentType: 'LOOPBACK'.",
    );
  }
  const stable = wantsStableInput(pipeline);
  if (stable) {
    throw cannot(
      `drain a job that writes exactly once, ${stable.name}: what comes last would be in no checkpoint`,
      'Keep its state with stopWithSavepoint(), from which a later run goes on, or cancel() it.',
    );
  }
  const foreign = pipeline.transforms.find(
    ({ external, inputs, outputs }) =>
      external &&
      [...inputs.values()].every(({ bounded }) => bounded) &&
      [...outputs.values()].some(({ bounded }) => !bounded),
  );
  if (!foreign) return;
  throw cannot(
    `drain a job with an endless source of another SDK, ${foreign.name}, which nobody can tell to end`,
    'Keep its state with stopWithSavepoint(), or cancel() it.',
  );
}

/** Waits until the engine has the job, or it is over before: until then it would not outlive this program. */
export async function arrival(
  engine: EngineJob | undefined,
  ends: readonly Promise<unknown>[],
  signal: AbortSignal,
): Promise<void> {
  if (!engine) return;
  const over = new AbortController();
  // A wish to end the run is obeyed once it is watched.
  const arrived = engine.arrived(AbortSignal.any([signal, over.signal])).catch(() => {});
  await Promise.race([arrived, ...ends.map((end) => end.catch(() => {}))]);
  over.abort();
}

/** The stop of a job by its engine, which is asked for once. */
export class EngineStop {
  /** For what it was asked, unless it was not, or could not be done. */
  for: 'drain' | 'savepoint' | undefined;
  private asked: Promise<string> | undefined;

  /** @throws BeamBridgeError why the engine could not; `INVALID_ARGUMENT` for a second wish, or one too late */
  ask(
    what: 'drain' | 'savepoint',
    { id, state, ended }: Job,
    engine: EngineJob,
    accepted?: () => void,
  ): Promise<string> {
    if (this.asked && this.for === what) return this.asked;
    if (this.for || isTerminal(state)) {
      throw new BeamBridgeError('INVALID_ARGUMENT', `the job ${id} is over, or stopped already`, {
        hint: 'Await what drain(), stopWithSavepoint() or cancel() gave.',
      });
    }
    this.for = what;
    const over = new AbortController();
    ended.catch(() => over.abort());
    const wish = { drain: what === 'drain', ...(accepted && { accepted }) };
    this.asked = engine.stop(wish, over.signal).catch((error: unknown) => {
      this.for = undefined;
      throw error;
    });
    return this.asked;
  }
}

/** What is asked too early, or of a job that came to no end of its own. */
export function notCounted(): BeamBridgeError {
  return cannot(
    'tell the metrics of a job before it is done',
    "Its job server has them at the job's end. What runs shows its metrics in the engine's own pages.",
  );
}

/** The error of a runner that has no way to do this to a job. */
export function cannot(what: string, hint: string): BeamBridgeError {
  return new BeamBridgeError('UNSUPPORTED', `this runner cannot ${what}`, { hint });
}
