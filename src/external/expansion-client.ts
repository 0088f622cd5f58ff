// SPDX-License-Identifier: Apache-2.0
// Asks an expansion service, and says what it means when no usable answer comes.

import { BeamBridgeError } from '../base/index.ts';
import type { ExternalExpansion, TransformNode } from '../pipeline/index.ts';
import { createClient, ExpansionService, GrpcStatus, type ServiceError } from '../proto/index.ts';
import type { JavaService, Served } from '../services/index.ts';
import { fetchArtifacts } from './artifacts.ts';
import { expansionRequest } from './expansion-request.ts';
import { isJavaFailure, javaError } from './java-failure.ts';
import { useJavaWorker } from './java-service.ts';
import { asLossOf, lossOf, unlessLost } from './lost-host.ts';
import { parsePythonFailure } from './python-failure.ts';

/** Where an expansion service listens, and the token that it may demand. */
export interface ServiceAddress {
  /** `HOST:PORT`. */
  address: string;
  token?: string | undefined;
  /** The managed process that serves it: its end is another matter than a wrong address. */
  host?: Served | undefined;
  /** The same where it is Java's. */
  java?: JavaService | undefined;
}

/** Milliseconds in which a connection must be up. */
const CONNECT_MS = 5000;
/** The same for a host of ours: its process is known to be there, and may be busy on a busy machine. */
const HOST_CONNECT_MS = 30_000;

/** How Python refuses to use a coder that is asked for. */
const TYPE_VIOLATION = /TypeCheckError: Output type hint violation/;

const START_HINT =
  'Start a Beam expansion service there, or leave the address out: the managed Python host expands Python transforms by itself.';

/**
 * Expands one placeholder.
 *
 * @param artifactFolder - makes the folder for files that the expanded environments depend on
 */
export async function askForExpansion(
  node: TransformNode,
  service: ServiceAddress,
  artifactFolder: () => Promise<string>,
  signal?: AbortSignal,
): Promise<ExternalExpansion> {
  const { host } = service;
  const client = createClient(ExpansionService, service.address, { token: service.token });
  const request = expansionRequest(node);
  try {
    signal?.throwIfAborted();
    await unlessLost(host, client.ready(host ? HOST_CONNECT_MS : CONNECT_MS));
    let response = await client.expand(request, { signal });
    if (TYPE_VIOLATION.test(response.error)) {
      // Python compares its own types and not their encodings. Without a request it gives its
      // coder, which is compared with what was declared afterwards.
      response = await client.expand({ ...request, outputCoderRequests: {} }, { signal });
    }
    if (response.error) throw expansionFailed(response.error, node);
    if (!response.transform || !response.components) {
      throw unavailable(service, 'gave an answer without a transform', undefined);
    }
    const { components, transform, requirements } = response;
    if (service.java) useJavaWorker(components, service.java);
    else await fetchArtifacts(components, service, artifactFolder, signal);
    return { namespace: request.namespace, components, transform, requirements };
  } catch (error) {
    if (error instanceof BeamBridgeError) {
      const failure = error.with(node.errorDetails);
      throw host && error.code === 'HOST_DIED' ? asLossOf(host, failure) : failure;
    }
    if (signal?.aborted) {
      throw new BeamBridgeError('ABORTED', 'the expansion was cancelled', {
        ...node.errorDetails,
        cause: error,
      });
    }
    const loss = host && (await lossOf(host, error))?.with(node.errorDetails);
    if (loss) throw asLossOf(host, loss);
    throw callError(error, service).with(node.errorDetails);
  } finally {
    client.close();
  }
}

/** The error in a service's answer: the text of an exception. */
function expansionFailed(text: string, node: TransformNode): BeamBridgeError {
  if (isJavaFailure(text)) return javaError(text).with(node.errorDetails);
  const failure = parsePythonFailure(text, 'EXPANSION_FAILED');
  return new BeamBridgeError(failure.code, failure.message, {
    ...node.errorDetails,
    hint: failure.hint,
    detail: failure.detail,
  });
}

function unavailable(service: ServiceAddress, what: string, cause: unknown): BeamBridgeError {
  return new BeamBridgeError(
    'EXPANSION_SERVICE_UNAVAILABLE',
    `the expansion service at ${service.address} ${what}`,
    { hint: START_HINT, cause },
  );
}

/** What a failed call says about the service. */
function callError(error: unknown, service: ServiceAddress): BeamBridgeError {
  const status = error instanceof Error && 'code' in error ? (error as ServiceError) : undefined;
  // Waiting for a connection fails with a plain error.
  if (!status) return unavailable(service, `does not answer`, error);
  const reason = (status.details || status.message).trim().split('\n')[0]!;
  switch (status.code) {
    case GrpcStatus.UNIMPLEMENTED:
      return unavailable(service, `is no expansion service (${reason})`, error);
    case GrpcStatus.UNAUTHENTICATED:
    case GrpcStatus.PERMISSION_DENIED:
      return unavailable(service, `refused the call (${reason})`, error);
    default:
      return unavailable(service, `failed during the call (${reason})`, error);
  }
}
