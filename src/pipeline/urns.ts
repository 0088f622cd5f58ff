// SPDX-License-Identifier: Apache-2.0
// URNs of what only this SDK understands. They appear in payloads that runners pass through.

/** Functions of the user's; the payload is the key of {@link Pipeline.functions}, in UTF-8. */
export const FUNCTION_URNS = {
  doFn: 'beambridge:dofn:v1',
  viewFn: 'beambridge:viewfn:v1',
  windowMappingFn: 'beambridge:windowmappingfn:v1',
  combineFn: 'beambridge:combinefn:v1',
  windowFn: 'beambridge:windowfn:v1',
} as const;
