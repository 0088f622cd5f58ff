// SPDX-License-Identifier: Apache-2.0
// A managed service of Java as the pipeline's transforms are expanded by it, and who runs what it expanded.

import type { ExpansionServiceChoice } from '../pipeline/index.ts';
import { create, fromBinary, pb, toBinary, urns } from '../proto/index.ts';
import { getJavaService, type JavaService } from '../services/index.ts';
import type { ServiceAddress } from './expansion-client.ts';

const { ANYOF, EXTERNAL } = urns.StandardEnvironments_Environments;

/** The service that a choice means, started unless it runs. */
export async function javaAddress(
  { jars, allowlist, javaOptions, worker }: Extract<ExpansionServiceChoice, { kind: 'java' }>,
  signal?: AbortSignal,
): Promise<ServiceAddress> {
  const java = await getJavaService({ jars, allowlist, javaOptions, worker, signal });
  return { address: java.address, token: java.token, host: java, java };
}

/**
 * Lets the environments of an answer be those of the harness beside the service, which has all their files
 * on its class path, and wants to be shown the token. Where there is none they are left: their files are
 * those of this machine.
 */
export function useJavaWorker(components: pb.Components, { address, token }: JavaService): void {
  for (const environment of Object.values(components.environments)) {
    const external = [environment, ...alternativesOf(environment)].find(
      (each) => each.urn === EXTERNAL && endpointOf(each) === address,
    );
    if (!external) continue;
    const payload = create(pb.ExternalPayloadSchema, {
      endpoint: { url: address },
      params: { token },
    });
    environment.urn = EXTERNAL;
    environment.payload = toBinary(pb.ExternalPayloadSchema, payload);
    environment.dependencies = [];
    if (environment.capabilities.length === 0) environment.capabilities = external.capabilities;
  }
}

function alternativesOf({ urn, payload }: pb.Environment): pb.Environment[] {
  if (urn !== ANYOF) return [];
  return fromBinary(pb.AnyOfEnvironmentPayloadSchema, payload).environments;
}

function endpointOf({ payload }: pb.Environment): string | undefined {
  return fromBinary(pb.ExternalPayloadSchema, payload).endpoint?.url;
}
