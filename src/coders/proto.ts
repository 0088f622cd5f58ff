// SPDX-License-Identifier: Apache-2.0
// Coders to Beam's `Coder` messages and back.

import { createHash } from 'node:crypto';
import { BeamBridgeError } from '../base/index.ts';
import { create, pb, toBinary, urns } from '../proto/index.ts';
import type { Coder, CoderSpec } from './coder.ts';
import { KVCoder, LengthPrefixCoder, NullableCoder, ShardedKeyCoder } from './composite-coders.ts';
import { INSTANT_CODER_URN, InstantCoder } from './instant.ts';
import { iterableCoderFromPayload, StateBackedIterableCoder } from './iterable-coders.ts';
import { JS_CODER_URN, JS_DETERMINISTIC_CODER_URN, JsCoder } from './js/js-coder.ts';
import { BoolCoder, BytesCoder, DoubleCoder, StrUtf8Coder } from './primitive-coders.ts';
import type { RowFieldsType } from './row/field-type.ts';
import {
  RowCoder,
  rowTypeFromPayload,
  SCHEMA_VALUE_CODER_URN,
  SchemaValueCoder,
} from './row/row-coder.ts';
import type { StateReader } from './state-backed-iterable.ts';
import { UnknownCoder } from './unknown-coder.ts';
import type { Window } from './values.ts';
import { varIntCoderFromPayload } from './var-int-coder.ts';
import { CustomWindowCoder, GlobalWindowCoder, IntervalWindowCoder } from './window-coders.ts';
import {
  ParamWindowedValueCoder,
  TimerCoder,
  WindowedValueCoder,
} from './windowed-value-coders.ts';

/** What coders that are made from a message may need besides it. */
export interface CoderContext {
  /** Reads values that go on in the runner's state; see {@link StateBackedIterableCoder}. */
  readState?: StateReader | undefined;
}

/** Makes the coder of one URN from its payload and its components. */
export type CoderFactory = (
  payload: Uint8Array,
  components: readonly Coder<unknown>[],
  context: CoderContext,
) => Coder<unknown>;

const S = urns.StandardCoders_Enum;

/** Gives a factory exactly `count` components, of whatever type the message says that they are. */
function of(count: number, make: (...parts: Coder<never>[]) => unknown): CoderFactory {
  return (_payload, components) => {
    requireComponents(components, count);
    return make(...(components as readonly unknown[] as Coder<never>[])) as Coder<unknown>;
  };
}

function requireComponents(components: readonly unknown[], count: number): void {
  if (components.length === count) return;
  throw new BeamBridgeError(
    'MALFORMED_DATA',
    `a coder has ${components.length} component coders where ${count} are expected`,
  );
}

const factories = new Map<string, CoderFactory>([
  [S.BYTES, of(0, () => new BytesCoder())],
  [S.STRING_UTF8, of(0, () => new StrUtf8Coder())],
  [S.BOOL, of(0, () => new BoolCoder())],
  [S.DOUBLE, of(0, () => new DoubleCoder())],
  [S.VARINT, (payload) => varIntCoderFromPayload(payload) as Coder<unknown>],
  [S.KV, of(2, (key, value) => new KVCoder(key, value))],
  [S.NULLABLE, of(1, (value) => new NullableCoder(value))],
  [
    S.ITERABLE,
    (payload, components) => {
      requireComponents(components, 1);
      return iterableCoderFromPayload(payload, components[0]!);
    },
  ],
  [
    S.STATE_BACKED_ITERABLE,
    (_payload, components, { readState }) => {
      requireComponents(components, 1);
      return new StateBackedIterableCoder(components[0]!, readState) as Coder<unknown>;
    },
  ],
  [S.LENGTH_PREFIX, of(1, (value) => new LengthPrefixCoder(value))],
  [S.SHARDED_KEY, of(1, (key) => new ShardedKeyCoder(key))],
  [S.GLOBAL_WINDOW, of(0, () => new GlobalWindowCoder())],
  [S.INTERVAL_WINDOW, of(0, () => new IntervalWindowCoder())],
  [S.CUSTOM_WINDOW, of(1, (window) => new CustomWindowCoder(window))],
  [S.WINDOWED_VALUE, of(2, (value, window) => new WindowedValueCoder(value, window))],
  [
    S.PARAM_WINDOWED_VALUE,
    (payload, components) => {
      requireComponents(components, 2);
      const [value, window] = components as readonly [Coder<unknown>, Coder<unknown>];
      return new ParamWindowedValueCoder(value, window as Coder<Window>, payload) as Coder<unknown>;
    },
  ],
  [S.TIMER, of(2, (key, window) => new TimerCoder(key, window))],
  [S.ROW, (payload) => rowOrUnknown(S.ROW, payload, (type) => new RowCoder(type))],
  [
    SCHEMA_VALUE_CODER_URN,
    (payload) =>
      rowOrUnknown(
        SCHEMA_VALUE_CODER_URN,
        payload,
        (type) => new SchemaValueCoder(type.fields[0]!.type),
      ),
  ],
  [INSTANT_CODER_URN, of(0, () => new InstantCoder())],
  [JS_CODER_URN, of(0, () => new JsCoder())],
  [JS_DETERMINISTIC_CODER_URN, of(0, () => new JsCoder({ deterministic: true }))],
]);

/** A row with a field that has no portable type can still be carried as bytes. */
function rowOrUnknown(
  urn: string,
  payload: Uint8Array,
  make: (type: RowFieldsType) => Coder<unknown>,
): Coder<unknown> {
  try {
    return make(rowTypeFromPayload(payload));
  } catch (error) {
    if (!(error instanceof BeamBridgeError) || error.code !== 'INVALID_SCHEMA') throw error;
    return new UnknownCoder({ urn, payload }, error.shortMessage);
  }
}

/**
 * Teaches `coderFromProto` a URN of your own. Other SDKs will not know it: values of such a
 * coder cannot enter transforms in other languages.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT` when the URN is taken
 */
export function registerCoder(urn: string, factory: CoderFactory): void {
  if (factories.has(urn)) {
    throw new BeamBridgeError('INVALID_ARGUMENT', `a coder for ${urn} is registered already`);
  }
  factories.set(urn, factory);
}

/** The coder of a spec whose components are coders already. An unknown URN gives an {@link UnknownCoder}. */
export function coderFromSpec(spec: CoderSpec, context: CoderContext = {}): Coder<unknown> {
  const factory = factories.get(spec.urn);
  if (!factory) return new UnknownCoder(spec);
  return factory(spec.payload ?? new Uint8Array(0), spec.components ?? [], context);
}

/**
 * The coder with this id among the coders of a pipeline or a bundle descriptor.
 *
 * @throws BeamBridgeError `MALFORMED_DATA` when the id, or one that it refers to, is not there.
 *   A coder with an unknown URN throws `UNKNOWN_CODER` only when it is used, and not at all inside
 *   a length prefix, where its values are bytes.
 */
export function coderFromProto(
  id: string,
  coders: Readonly<Record<string, pb.Coder>>,
  context: CoderContext = {},
): Coder<unknown> {
  return build(id, coders, context, []);
}

function build(
  id: string,
  coders: Readonly<Record<string, pb.Coder>>,
  context: CoderContext,
  outer: readonly string[],
): Coder<unknown> {
  const proto = Object.hasOwn(coders, id) ? coders[id] : undefined;
  if (!proto?.spec)
    throw new BeamBridgeError('MALFORMED_DATA', `the pipeline has no coder with id ${id}`);
  if (outer.includes(id))
    throw new BeamBridgeError('MALFORMED_DATA', `coder ${id} contains itself`);
  const path = [...outer, id];
  const components = proto.componentCoderIds.map((part) => build(part, coders, context, path));
  return coderFromSpec({ urn: proto.spec.urn, payload: proto.spec.payload, components }, context);
}

/** Puts a coder message somewhere and gives the id under which it can be referred to. */
export type InternCoder = (coder: pb.Coder) => string;

/** The message of a coder and, through `intern`, of all its components; returns the coder's id. */
export function coderToProto(coder: Coder<unknown>, intern: InternCoder): string {
  const { urn, payload, components = [] } = coder.spec();
  const componentCoderIds = components.map((part) => coderToProto(part, intern));
  const spec = { urn, ...(payload ? { payload } : {}) };
  return intern(create(pb.CoderSchema, { spec, componentCoderIds }));
}

/**
 * An {@link InternCoder} that adds to `coders`. Equal coders get one id, and the id follows from
 * the coder's content, so that it is the same in every run and in every process.
 */
export function internCodersInto(coders: Record<string, pb.Coder>): InternCoder {
  return (coder) => {
    const id = coderId(coder);
    coders[id] ??= coder;
    return id;
  };
}

function coderId(coder: pb.Coder): string {
  const digest = createHash('sha256').update(toBinary(pb.CoderSchema, coder)).digest('hex');
  const kind = /:coder:([a-z0-9_-]+)/.exec(coder.spec?.urn ?? '')?.[1] ?? 'coder';
  return `${kind}_${digest.slice(0, 12)}`;
}
