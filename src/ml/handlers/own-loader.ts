// SPDX-License-Identifier: Apache-2.0
// Loaders that this package holds.

/** What a loader's name starts with when this package holds it. */
const OWN = 'beambridge_host.handlers.';

/** Name of the module, below `beambridge_host.handlers`, of a loader that this package holds. */
export function ownLoaderModule(loader: string): string | undefined {
  return loader.startsWith(OWN) ? loader.slice(OWN.length).split('.')[0] : undefined;
}
