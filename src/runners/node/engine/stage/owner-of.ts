// SPDX-License-Identifier: Apache-2.0
// What the bundles of a stage share, as its plan says: what it keeps for keys and windows, what it reads
// beside its input, how large its bundles are, and who hears of them.

import { BeamBridgeError, ByteReader, getLogger } from '../../../../base/index.ts';
import type { Instant, Window } from '../../../../coders/index.ts';
import { type BundleResult, type FunctionLookup, functionKey } from '../../../../harness/index.ts';
import { FUNCTION_URNS, type RegisteredParDo, windowExpiry } from '../../../../pipeline/index.ts';
import { pb, urns } from '../../../../proto/index.ts';
import { descriptorOf } from '../descriptor.ts';
import type { StageExecutor, StageThreads } from '../executor.ts';
import { LateReport } from '../late-report.ts';
import { isStateful, type Leaf } from '../leaves.ts';
import type { Surroundings } from '../node.ts';
import type { Stage } from '../plan.ts';
import type { SideInputView } from '../side-input-view.ts';
import { UserStateStore } from '../user-state.ts';
import { UserTimerStore } from '../user-timers.ts';
import type { WireCoders } from '../wire.ts';
import type { BundleOwner } from './bundle.ts';
import { limitsOf } from './bundle-limits.ts';
import { sideInputName } from './bundle-state.ts';
import { LateElements } from './late-elements.ts';
import type { ThreadsOwner } from './stage-node.ts';
import { Trial } from './trial.ts';

const log = getLogger('node');
const { PAR_DO } = urns.StandardPTransforms_Primitives;
const PRECOMBINE = urns.StandardPTransforms_CombineComponents.COMBINE_PER_KEY_PRECOMBINE;
const SDF_PROCESS =
  urns.StandardPTransforms_SplittableParDoComponents.PROCESS_SIZED_ELEMENTS_AND_RESTRICTIONS;

/** What a stage is put into. */
export interface StagePlace {
  readonly components: pb.Components;
  readonly executor: StageExecutor;
  readonly forceEncoding: boolean;
  readonly wire: WireCoders;
  readonly around: Surroundings;
  /** Whether its input has an end. */
  readonly isBounded: boolean;
  /** Whether a test stream plays in the pipeline. */
  readonly isScripted: boolean;
  /** Whether sources of the pipeline pause until all that came of what they gave has gone to the end. */
  readonly commitsWithSources: boolean;
  readonly functions: FunctionLookup;
  /** The contents of a PCollection as a side input. */
  view(pcollection: string): SideInputView;
}

/** Who owns the bundles of a stage, and who does once threads have taken it over. */
export function ownersOf(
  stage: Stage,
  place: StagePlace,
  threads: StageThreads | undefined,
): [BundleOwner, ThreadsOwner?] {
  if (!threads) return [ownerOf(stage, place)];
  const inThreads = () => ownerOf(stage, { ...place, executor: threads.executor });
  if (threads.atOnce) {
    threads.took();
    return [inThreads()];
  }
  const { input, leaves, outputs } = stage;
  const accumulators = leaves.filter(({ proto }) => proto.spec?.urn === PRECOMBINE);
  const isKnown = (id: string) => accumulators.some((leaf) => leaf.outputs.includes(id));
  const trial = new Trial({ input, outputs, isKnown }, place.wire, threads);
  return [
    { ...ownerOf(stage, place), trial },
    { trial, threads, owner: inThreads },
  ];
}

function ownerOf(stage: Stage, place: StagePlace): BundleOwner {
  const { around, components, executor, forceEncoding, isBounded, isScripted, wire } = place;
  const inputByReference = executor.inProcess;
  const descriptor = descriptorOf(stage, components, wire, {
    inputByReference,
    outputByReference: executor.inProcess && !forceEncoding,
  });
  const { parDo, id, proto, sideInputs } = stage.root;
  const stateful = parDo !== undefined && isStateful(parDo);
  const views = [...sideInputs].map(
    ([tag, pcollection]) => [tag, place.view(pcollection)] as const,
  );
  const warn = (what: string) => log.warn(`${proto.uniqueName}: ${what}`);
  const window = wire.window(stage.input);
  const allowedLateness = Number(wire.windowing(stage.input).allowedLateness);
  const isOver = (of: Window, watermark: Instant) =>
    stateful
      ? windowExpiry(of, allowedLateness) < watermark
      : views.some(([, view]) => view.isOver(of, watermark - allowedLateness));
  const isSplittable = proto.spec?.urn === SDF_PROCESS;
  const hasTimers = descriptor.timers.length > 0;
  return {
    stage,
    descriptor,
    executor,
    wire,
    around,
    views: views.map(([, view]) => view),
    viewOf: new Map(views.map(([tag, view]) => [sideInputName(id, tag), view])),
    state: stateful
      ? new UserStateStore((bytes) =>
          windowExpiry(window.decode(new ByteReader(bytes), true), allowedLateness),
        )
      : undefined,
    timers: hasTimers
      ? new UserTimerStore(descriptor.timers, {
          allowedLateness,
          warn,
          ahead: () => Math.max(0, around.now() - around.shownNow()),
        })
      : undefined,
    allowedLateness,
    isBounded,
    late:
      !isBounded && (stateful || views.length > 0)
        ? new LateElements(isOver, new LateReport(id, proto.uniqueName, around))
        : undefined,
    mostBundles: stateful || executor.inProcess ? 1 : executor.workers,
    // What DoFns keep goes to the store when a bundle ends, and timers are set then.
    staysOpen:
      !executor.canRetry && !isSplittable && !stateful && isBounded && !place.commitsWithSources,
    limits: limitsOf({
      inProcess: !executor.canRetry,
      isBounded,
      isSplittable,
      hasTimers,
      isStateful: stateful,
      isScripted,
    }),
    inputByReference,
    trial: undefined,
    isSplittable,
    isFinalized: stage.leaves.some(isFinalized),
    finished: (result, origin) => {
      const { finalizers } = result;
      if (origin && finalizers.length > 0) {
        around.finalize(stage, origin, () => finalize(finalizers, warn), executor.inProcess);
      }
    },
    isReadLast: isSplittable && isReadLast(stage, place),
    retrying: (error, attempt) => {
      const { shortMessage } = BeamBridgeError.from(error);
      log.warn(`a bundle of ${proto.uniqueName} runs again (${attempt}): ${shortMessage}`);
    },
  };
}

/** The first steps of a splittable DoFn, which make and split restrictions, are not what it asks that for. */
function isFinalized({ parDo, proto }: Leaf): boolean {
  const urn = proto.spec?.urn;
  return parDo?.requestsFinalization === true && (urn === PAR_DO || urn === SDF_PROCESS);
}

/** Whether it reads what has no end, or cannot be read again. */
function isReadLast({ root }: Stage, { components, functions }: StagePlace): boolean {
  const isEndless = root.outputs.some(
    (id) => components.pcollections[id]?.isBounded === pb.IsBounded_Enum.UNBOUNDED,
  );
  const { doFn } = root.parDo!;
  if (isEndless || doFn?.urn !== FUNCTION_URNS.doFn) return isEndless;
  const { user } = (functions.get(functionKey(doFn.payload)) ?? {}) as Partial<RegisteredParDo>;
  return user?.kind === 'splittable' && user.doFn.readsOnce === true;
}

async function finalize(
  finalizers: BundleResult['finalizers'],
  warn: (what: string) => void,
): Promise<void> {
  for (const finalizer of finalizers) {
    try {
      await finalizer();
    } catch (error) {
      // The bundle counts, whatever became of this.
      warn(`bundle finalization failed: ${BeamBridgeError.from(error).shortMessage}`);
    }
  }
}
