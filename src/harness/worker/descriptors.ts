// SPDX-License-Identifier: Apache-2.0
// Bundle descriptors by id: fetched once, however many bundles ask.

import { BeamBridgeError } from '../../base/index.ts';
import type { fn } from '../../proto/index.ts';

type Fetch = (id: string) => Promise<fn.ProcessBundleDescriptor>;

export class Descriptors {
  private readonly known = new Map<string, Promise<fn.ProcessBundleDescriptor>>();

  constructor(private readonly fetch: Fetch) {}

  register(descriptor: fn.ProcessBundleDescriptor): void {
    this.known.set(descriptor.id, Promise.resolve(descriptor));
  }

  /** @throws `HARNESS_PROTOCOL` when the runner does not give it; the next bundle asks again */
  get(id: string): Promise<fn.ProcessBundleDescriptor> {
    let found = this.known.get(id);
    if (!found) {
      found = this.fetch(id).catch((error: unknown) => {
        this.known.delete(id);
        throw new BeamBridgeError(
          'HARNESS_PROTOCOL',
          `the runner gave no descriptor for ${JSON.stringify(id)}`,
          { cause: error, detail: error instanceof Error ? error.message : String(error) },
        );
      });
      this.known.set(id, found);
    }
    return found;
  }
}
