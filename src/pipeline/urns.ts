// SPDX-License-Identifier: Apache-2.0
// URNs of what only this SDK understands. They appear in payloads that runners pass through.

/** Functions of the user's; the payload is the key of {@link Pipeline.functions}, in UTF-8. */
export const FUNCTION_URNS = {
  doFn: 'beambridge:dofn:v1',
  /** The same of a splittable DoFn whose runner does not go on with what `process` leaves: its worker does. */
  wholeDoFn: 'beambridge:dofn:whole:v1',
  viewFn: 'beambridge:viewfn:v1',
  windowMappingFn: 'beambridge:windowmappingfn:v1',
  combineFn: 'beambridge:combinefn:v1',
  windowFn: 'beambridge:windowfn:v1',
} as const;

/**
 * Annotation of a composite that only looks at elements which go on elsewhere: what comes too late for it is
 * not lost, and no runner of ours tells of it. A share of failed rows is counted so.
 */
export const ONLOOKER = 'beambridge:annotation:onlooker:v1';

/**
 * Annotations of a sink that commits, in one transaction, what it writes and how far its sources are, and of
 * those sources. The value is the same for them, in UTF-8. Runners refuse the sink unless they see to it that all
 * that came of the sources' messages has reached it when their bundles are finalized.
 */
export const TRANSACTION_SINK = 'beambridge:annotation:transaction_sink:v1';
export const TRANSACTION_SOURCE = 'beambridge:annotation:transaction_source:v1';
