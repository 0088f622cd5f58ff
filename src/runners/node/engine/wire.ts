// SPDX-License-Identifier: Apache-2.0
// Coders between the runner and an SDK. What the runner cannot read travels with its length in front,
// so that it can be carried as bytes. Beam calls that length-prefixing unknown coders.

import { BeamBridgeError } from '../../../base/index.ts';
import {
  type Coder,
  coderFromProto,
  UnknownCoder,
  type Window,
  WindowedValueCoder,
} from '../../../coders/index.ts';
import { create, pb, urns } from '../../../proto/index.ts';

const Coders = urns.StandardCoders_Enum;

/** Coders for PCollections, made once each. */
export class WireCoders {
  private readonly sdk = new Map<string, string>();
  private readonly runner = new Map<string, Coder<unknown>>();

  constructor(private readonly components: pb.Components) {}

  /** The id of the coder that the SDK is told. */
  sdkCoder(coderId: string): string {
    let id = this.sdk.get(coderId);
    if (id === undefined) {
      id = this.prefixed(coderId);
      this.sdk.set(coderId, id);
    }
    return id;
  }

  private prefixed(coderId: string): string {
    const { coders } = this.components;
    const proto = coders[coderId]!;
    const urn = proto.spec?.urn ?? '';
    if (urn === Coders.LENGTH_PREFIX) return coderId;
    if (isOpaque(coderId, coders)) {
      return this.add(`${coderId}:prefixed`, Coders.LENGTH_PREFIX, [coderId]);
    }
    const parts = proto.componentCoderIds.map((part) => this.sdkCoder(part));
    if (parts.every((part, i) => part === proto.componentCoderIds[i])) return coderId;
    return this.add(`${coderId}:prefixed`, urn, parts, proto.spec?.payload);
  }

  private add(id: string, urn: string, componentCoderIds: string[], payload?: Uint8Array): string {
    this.components.coders[id] = create(pb.CoderSchema, {
      spec: { urn, ...(payload ? { payload } : {}) },
      componentCoderIds,
    });
    return id;
  }

  /** The same values as the runner reads and writes them. */
  runnerCoder(coderId: string): Coder<unknown> {
    const id = this.sdkCoder(coderId);
    let coder = this.runner.get(id);
    if (!coder) {
      coder = coderFromProto(id, this.components.coders);
      this.runner.set(id, coder);
    }
    return coder;
  }

  /** The id of the coder of elements with their windows. */
  windowed(pcollectionId: string): string {
    const { coderId, windowCoderId } = this.parts(pcollectionId);
    const id = `${coderId}|${windowCoderId}:windowed`;
    this.components.coders[id] ??= create(pb.CoderSchema, {
      spec: { urn: Coders.WINDOWED_VALUE },
      componentCoderIds: [this.sdkCoder(coderId), windowCoderId],
    });
    return id;
  }

  /** The runner's side of {@link windowed}. */
  windowedCoder(pcollectionId: string): WindowedValueCoder<unknown> {
    const { coderId, windowCoderId } = this.parts(pcollectionId);
    return new WindowedValueCoder(
      this.runnerCoder(coderId),
      this.runnerCoder(windowCoderId) as Coder<Window>,
    );
  }

  /** The runner's coder of a PCollection's elements. */
  element(pcollectionId: string): Coder<unknown> {
    return this.runnerCoder(this.parts(pcollectionId).coderId);
  }

  window(pcollectionId: string): Coder<Window> {
    return this.runnerCoder(this.parts(pcollectionId).windowCoderId) as Coder<Window>;
  }

  windowing(pcollectionId: string): pb.WindowingStrategy {
    const { windowingStrategyId } = this.components.pcollections[pcollectionId]!;
    return this.components.windowingStrategies[windowingStrategyId]!;
  }

  private parts(pcollectionId: string) {
    const { coderId } = this.components.pcollections[pcollectionId]!;
    const { windowCoderId } = this.windowing(pcollectionId);
    if (isOpaque(windowCoderId, this.components.coders)) {
      throw unreadableWindows(this.components.coders[windowCoderId]?.spec?.urn ?? '');
    }
    return { coderId, windowCoderId };
  }
}

/** Python pickles windows of a type of its own; every other URN is that of a window function of this program. */
function unreadableWindows(urn: string): BeamBridgeError {
  if (urn.includes('pickled')) {
    return new BeamBridgeError('UNSUPPORTED', 'windows of a type that only another SDK can read', {
      hint: 'Let get_window_coder() of the window function return an IntervalWindowCoder, and its windows be IntervalWindows.',
    });
  }
  return new BeamBridgeError(
    'UNSUPPORTED',
    `windows of the coder ${urn}, which is not registered`,
    {
      hint: 'Call registerCoder(urn, () => the coder) before the run, or let windowCoder() of the window function return an IntervalWindowCoder, and its windows be IntervalWindows.',
    },
  );
}

/** Whether this program has no coder of that name; its parts are another matter. */
function isOpaque(id: string, coders: Record<string, pb.Coder>): boolean {
  return coderFromProto(id, coders) instanceof UnknownCoder;
}
