// SPDX-License-Identifier: Apache-2.0
// What a ParDo with state or timers asks of its input, and what its payload says about them.

import { BeamBridgeError, type ByteReader, type ByteWriter } from '../base/index.ts';
import {
  type Coder,
  type CoderSpec,
  deterministicForm,
  JsCoder,
  KVCoder,
  LengthPrefixCoder,
  RowCoder,
  SchemaValueCoder,
  TimerCoder,
  type Window,
} from '../coders/index.ts';
import { type MessageInitShape, pb, urns } from '../proto/index.ts';
import type { ProtoContext, TransformNode } from './graph.ts';
import { ownParams, paramsOf } from './params.ts';
import type { PCollection } from './pvalue.ts';
import { StateParam } from './state.ts';
import { TimerParam } from './timers.ts';

/** As much of a ParDo's function as matters here. */
export interface StatefulUser {
  readonly kind: string;
  readonly doFn?: unknown;
  readonly context?: unknown;
}

const DOMAINS = {
  eventTime: pb.TimeDomain_Enum.EVENT_TIME,
  processingTime: pb.TimeDomain_Enum.PROCESSING_TIME,
} as const;

/**
 * Whether the input's elements must be encoded as key-values first.
 *
 * @throws `INVALID_ARGUMENT` when they are none, `UNSUPPORTED` for windows that merge
 */
export function needsKeys(
  { kind, context }: StatefulUser,
  input: PCollection<unknown>,
  node: TransformNode,
): boolean {
  const isStateful = paramsOf(context).some(
    ([, param]) => param instanceof StateParam || param instanceof TimerParam,
  );
  // A splittable DoFn with state is refused a step later, with the reason.
  if (!isStateful || kind === 'splittable') return false;
  if (kind !== 'doFn') {
    throw new BeamBridgeError('INVALID_ARGUMENT', `${kind} was given a state or a timer`, {
      ...node.errorDetails,
      hint: 'Write a DoFn and apply it with parDo(doFn, context).',
    });
  }
  if (input.node.windowing.windowFn.isMerging()) {
    throw new BeamBridgeError(
      'UNSUPPORTED',
      'state and timers have no place in windows that merge',
      {
        ...node.errorDetails,
        hint: 'Apply windowInto with fixed, sliding or global windows before.',
      },
    );
  }
  const coder = input.coder as Coder<unknown>;
  if (coder instanceof KVCoder && coder.key.deterministic) return false;
  if (keyedForm(coder)) return true;
  throw new BeamBridgeError(
    coder instanceof KVCoder ? 'NON_DETERMINISTIC_KEY' : 'INVALID_ARGUMENT',
    `state and timers belong to keys, but the elements are encoded by ${coder.name}`,
    { ...node.errorDetails, hint: 'Map each element to { key, value } before.' },
  );
}

/** The coder as one of key-values with a deterministic key; undefined where there is none. */
export function keyedForm(coder: Coder<unknown>): Coder<unknown> | undefined {
  if (coder instanceof KVCoder) {
    const key = deterministicForm(coder.key as Coder<unknown>);
    return key && (new KVCoder(key, coder.value) as Coder<unknown>);
  }
  if (!mayHaveKeys(coder)) return undefined;
  return new KVCoder(new JsCoder({ deterministic: true }), new JsCoder()) as Coder<unknown>;
}

/** Whether its values may be objects with a key and a value, which each is seen to be as in a grouping. */
function mayHaveKeys(coder: Coder<unknown>): boolean {
  if (coder instanceof RowCoder) {
    const names = new Set(coder.type.fields.map(({ name }) => name));
    return names.has('key') && names.has('value');
  }
  if (coder instanceof SchemaValueCoder) return coder.type.kind === 'logical';
  const { urn, components = [] } = coder.spec();
  if (urn === urns.StandardCoders_Enum.NULLABLE) return components.every(mayHaveKeys);
  // Beam's others are no objects; what those of a program's own are, nobody knows.
  return coder instanceof KVCoder || !urn.startsWith('beam:coder:');
}

/** The context with states and timers of its own, these by name, and what the payload says. */
export function nameStateAndTimers<C>(
  given: C,
  user: StatefulUser,
  input: PCollection<unknown>,
  node: TransformNode,
) {
  const states = new Map<string, StateParam>();
  const timers = new Map<string, TimerParam>();
  const context = ownParams(given, (copy, id) => {
    if (copy instanceof StateParam) {
      copy.stateId = id;
      states.set(id, copy);
    } else if (copy instanceof TimerParam) {
      copy.timerName = id;
      copy.timerId = `${id} of ${node.name}`;
      timers.set(copy.timerId, copy);
    }
  });
  const hasOnTimer =
    typeof (user.doFn as { onTimer?: unknown } | undefined)?.onTimer === 'function';
  if (hasOnTimer !== timers.size > 0) {
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      hasOnTimer ? 'the DoFn has onTimer, but its context no timer' : 'nothing hears of the timers',
      { ...node.errorDetails, hint: 'Give a DoFn with onTimer a context with a timer in it.' },
    );
  }
  if (states.size + timers.size > 0) {
    node.requirements.add(urns.StandardRequirements_Enum.REQUIRES_STATEFUL_PROCESSING);
  }
  const timerCoder =
    timers.size > 0
      ? new TimerCoder(
          timerKeyCoder(input),
          input.node.windowing.windowFn.windowCoder() as Coder<Window>,
        )
      : undefined;
  const specs = (proto: ProtoContext) => ({
    stateSpecs: Object.fromEntries([...states].map(([id, state]) => [id, stateSpec(state, proto)])),
    timerFamilySpecs: Object.fromEntries(
      [...timers].map(([id, { timeDomain }]) => [
        id,
        {
          timeDomain: DOMAINS[timeDomain],
          timerFamilyCoderId: proto.coderId(timerCoder as Coder<unknown>),
        },
      ]),
    ),
  });
  return { context, states, timers, timerCoder, specs };
}

function stateSpec(
  state: StateParam,
  proto: ProtoContext,
): MessageInitShape<typeof pb.StateSpecSchema> {
  return {
    spec: { case: 'bagSpec', value: { elementCoderId: proto.coderId(state.storedCoder) } },
    protocol: { urn: urns.StandardUserStateTypes_Enum.BAG },
  };
}

/**
 * The coder of keys in timers. Python's runner decodes timers and does not put a length prefix around
 * coders that it does not know; as bytes, such keys look as they do with that prefix.
 */
function timerKeyCoder(input: PCollection<unknown>): Coder<unknown> {
  const { key } = input.coder as unknown as KVCoder<unknown, unknown>;
  return isStandard(key) ? key : new OpaqueCoder(key);
}

function isStandard(coder: Coder<unknown>): boolean {
  const { urn, components = [] } = coder.spec();
  return urn.startsWith('beam:coder:') && components.every((one) => isStandard(one));
}

/** Values as bytes that nobody else can read. */
class OpaqueCoder implements Coder<unknown> {
  readonly name: string;
  readonly deterministic: boolean;
  private readonly prefixed: LengthPrefixCoder<unknown>;

  constructor(private readonly inner: Coder<unknown>) {
    this.name = `opaque<${inner.name}>`;
    this.deterministic = inner.deterministic;
    this.prefixed = new LengthPrefixCoder(inner);
  }

  encode(value: unknown, out: ByteWriter, nested: boolean): void {
    if (nested) this.prefixed.encode(value, out);
    else this.inner.encode(value, out, false);
  }

  decode(input: ByteReader, nested: boolean): unknown {
    return nested ? this.prefixed.decode(input) : this.inner.decode(input, false);
  }

  spec(): CoderSpec {
    return { urn: urns.StandardCoders_Enum.BYTES };
  }
}
