// SPDX-License-Identifier: Apache-2.0
// Descriptors as workers get them: with an id of their own and the address where we serve.

import { dataPorts, type TimerPort, timerPorts } from '../../../harness/index.ts';
import { clone, create, fn, fromBinary, toBinary } from '../../../proto/index.ts';

/** A descriptor that workers can ask for, and what a bundle must know of it. */
export interface Registered {
  readonly descriptor: fn.ProcessBundleDescriptor;
  readonly sources: readonly string[];
  readonly sinks: readonly string[];
  readonly timers: readonly TimerPort[];
}

export class WorkerDescriptors {
  private readonly byOriginal = new WeakMap<fn.ProcessBundleDescriptor, Registered>();
  private readonly byId = new Map<string, fn.ProcessBundleDescriptor>();

  find(id: string): fn.ProcessBundleDescriptor | undefined {
    return this.byId.get(id);
  }

  /** Registers a descriptor once; `url` is where its data, its timers and its state go through. */
  register(original: fn.ProcessBundleDescriptor, url: string): Registered {
    const known = this.byOriginal.get(original);
    if (known) return known;
    const sources = dataPorts(original, 'DATA_SOURCE').map(({ transformId }) => transformId);
    const sinks = dataPorts(original, 'DATA_SINK').map(({ transformId }) => transformId);
    const descriptor = clone(fn.ProcessBundleDescriptorSchema, original);
    descriptor.id = `stage-${this.byId.size + 1}`;
    const service = { url };
    for (const id of [...sources, ...sinks]) {
      const { spec } = descriptor.transforms[id]!;
      const { coderId } = fromBinary(fn.RemoteGrpcPortSchema, spec!.payload);
      const port = create(fn.RemoteGrpcPortSchema, { coderId, apiServiceDescriptor: service });
      spec!.payload = toBinary(fn.RemoteGrpcPortSchema, port);
    }
    const { stateApiServiceDescriptor, timerApiServiceDescriptor } = create(
      fn.ProcessBundleDescriptorSchema,
      { stateApiServiceDescriptor: service, timerApiServiceDescriptor: service },
    );
    Object.assign(descriptor, { stateApiServiceDescriptor, timerApiServiceDescriptor });
    const registered = { descriptor, sources, sinks, timers: timerPorts(original) };
    this.byOriginal.set(original, registered);
    this.byId.set(descriptor.id, descriptor);
    return registered;
  }
}
