// SPDX-License-Identifier: Apache-2.0
// How this harness presents itself to runners.

import { create, type MessageInitShape, pb, toBinary, urns } from '../../proto/index.ts';

const CODERS = urns.StandardCoders_Enum;
const PROTOCOLS = urns.StandardProtocols_Enum;

/** Coders that runners may use without a length prefix, and protocols that the worker speaks. */
export const CAPABILITIES: readonly string[] = [
  CODERS.BYTES,
  CODERS.STRING_UTF8,
  CODERS.KV,
  CODERS.BOOL,
  CODERS.VARINT,
  CODERS.DOUBLE,
  CODERS.ITERABLE,
  CODERS.TIMER,
  CODERS.INTERVAL_WINDOW,
  CODERS.LENGTH_PREFIX,
  CODERS.GLOBAL_WINDOW,
  CODERS.WINDOWED_VALUE,
  CODERS.PARAM_WINDOWED_VALUE,
  CODERS.STATE_BACKED_ITERABLE,
  CODERS.CUSTOM_WINDOW,
  CODERS.ROW,
  CODERS.SHARDED_KEY,
  CODERS.NULLABLE,
  urns.StandardPTransforms_SplittableParDoComponents.TRUNCATE_SIZED_RESTRICTION,
  PROTOCOLS.PROGRESS_REPORTING,
  PROTOCOLS.HARNESS_MONITORING_INFOS,
  PROTOCOLS.CONTROL_REQUEST_ELEMENTS_EMBEDDING,
  PROTOCOLS.STATE_CACHING,
  PROTOCOLS.SDK_CONSUMING_RECEIVED_DATA,
];

/** What runners show of an environment of ours. */
export const SDK_LABEL: MessageInitShape<typeof pb.DisplayDataSchema> = {
  urn: urns.StandardDisplayData_DisplayData.LABELLED,
  payload: toBinary(
    pb.LabelledPayloadSchema,
    create(pb.LabelledPayloadSchema, {
      key: 'sdk',
      label: 'SDK',
      value: { case: 'stringValue', value: 'beambridge (TypeScript)' },
    }),
  ),
};

type Environment = MessageInitShape<typeof pb.EnvironmentSchema>;

/** An environment of this SDK, whatever starts its workers. */
export function ownEnvironment(
  urn: string,
  payload: Uint8Array,
  dependencies: pb.ArtifactInformation[] = [],
): Environment {
  return { urn, payload, dependencies, capabilities: [...CAPABILITIES], displayData: [SDK_LABEL] };
}

/** An environment whose workers a pool at `address` starts, for whoever shows `token`. */
export function externalEnvironment(address: string, token: string): Environment {
  return ownEnvironment(
    urns.StandardEnvironments_Environments.EXTERNAL,
    toBinary(
      pb.ExternalPayloadSchema,
      create(pb.ExternalPayloadSchema, { endpoint: { url: address }, params: { token } }),
    ),
  );
}
