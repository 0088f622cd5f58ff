// SPDX-License-Identifier: Apache-2.0
// Asks an expansion service, and says what it means when no usable answer comes.

import { BeamBridgeError, conceal, concealError } from '../base/index.ts';
import type { ExternalExpansion, TransformNode } from '../pipeline/index.ts';
import {
  createClient,
  type DiscoverSchemaTransformResponse,
  ExpansionService,
  GrpcStatus,
  type ServiceClient,
  type ServiceError,
} from '../proto/index.ts';
import type { JavaService, Served } from '../services/index.ts';
import { fetchArtifacts } from './artifacts.ts';
import { expansionRequest } from './expansion-request.ts';
import { isJavaFailure, javaError, lastTrace } from './java-failure.ts';
import { useJavaWorker } from './java-service.ts';
import type { Kept } from './kept.ts';
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
 * @param kept - as what its answer may be known again
 */
export async function askForExpansion(
  node: TransformNode,
  service: ServiceAddress,
  artifactFolder: () => Promise<string>,
  signal?: AbortSignal,
  kept?: Kept,
): Promise<ExternalExpansion> {
  const { host } = service;
  const client = clientOf(service);
  try {
    signal?.throwIfAborted();
    await unlessLost(host, client.ready(host ? HOST_CONNECT_MS : CONNECT_MS, signal));
    const prepared = await node.external?.prepare?.(() => discoverBy(client, service, signal));
    const request = expansionRequest(node, prepared, kept?.payloads.get(node));
    let response = await client.expand(request, { signal, metadata: kept?.metadata });
    if (TYPE_VIOLATION.test(response.error)) {
      // Python compares its own types and not their encodings. Without a request it gives its
      // coder, which is compared with what was declared afterwards.
      response = await client.expand({ ...request, outputCoderRequests: {} }, { signal });
    }
    if (response.error) throw failureOf(response.error);
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

/** A service that is being started for a transform, which is named where it does not start. */
export async function askedForBy(
  node: TransformNode,
  starting: Promise<ServiceAddress>,
): Promise<ServiceAddress> {
  try {
    return await starting;
  } catch (error) {
    throw error instanceof BeamBridgeError ? error.with(node.errorDetails) : error;
  }
}

/** The connection to a host of ours is there for others, too. */
function clientOf({
  address,
  token,
  host,
}: ServiceAddress): ServiceClient<typeof ExpansionService> {
  return createClient(ExpansionService, address, { token, sharedBy: host });
}

/** What managed services of Java have said of their schema transforms: they stay as they are. */
const discovered = new WeakMap<JavaService, Promise<DiscoverSchemaTransformResponse>>();

/** What a service says of the schema transforms that it has. */
export async function discover(service: ServiceAddress): Promise<DiscoverSchemaTransformResponse> {
  const { host } = service;
  const client = clientOf(service);
  try {
    await unlessLost(host, client.ready(host ? HOST_CONNECT_MS : CONNECT_MS));
    return await discoverBy(client, service);
  } catch (error) {
    if (error instanceof BeamBridgeError) throw error;
    throw (host && (await lossOf(host, error))) ?? callError(error, service);
  } finally {
    client.close();
  }
}

async function discoverBy(
  client: ServiceClient<typeof ExpansionService>,
  { java }: ServiceAddress,
  signal?: AbortSignal,
): Promise<DiscoverSchemaTransformResponse> {
  const known = java && discovered.get(java);
  if (known) return known;
  // What others wait for, too, goes on without one who has left.
  const asked = client.discoverSchemaTransform({}, java ? {} : { signal }).then((response) => {
    if (response.error) throw failureOf(response.error);
    return response;
  });
  if (!java) return asked;
  discovered.set(java, asked);
  asked.catch(() => discovered.delete(java));
  return asked;
}

/** The error in a service's answer: the text of an exception. */
function failureOf(text: string): BeamBridgeError {
  if (isJavaFailure(text)) return javaError(text);
  const { code, message, hint, detail } = parsePythonFailure(text, 'EXPANSION_FAILED');
  return new BeamBridgeError(code, message, { hint, detail });
}

function unavailable(service: ServiceAddress, what: string, cause: unknown): BeamBridgeError {
  return new BeamBridgeError(
    'EXPANSION_SERVICE_UNAVAILABLE',
    `the expansion service at ${service.address} ${what}`,
    { hint: START_HINT, cause },
  );
}

/** What a failed call says about the service. */
function callError(thrown: unknown, service: ServiceAddress): BeamBridgeError {
  const error = concealError(thrown);
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
    case GrpcStatus.UNKNOWN:
      if (service.java) return brokenJava(service.java, reason, error);
      return unavailable(service, `failed during the call (${reason})`, error);
    default:
      return unavailable(service, `failed during the call (${reason})`, error);
  }
}

/** Java threw what it does not answer with, as that it lacks a class. */
function brokenJava(java: JavaService, reason: string, cause: unknown): BeamBridgeError {
  const trace = lastTrace(java.stderr());
  if (trace) return javaError(trace);
  return new BeamBridgeError('JAVA_EXCEPTION', `Java failed during the call: ${reason}`, {
    hint: 'The last lines that it printed are below.',
    detail: conceal(java.stderr()) || undefined,
    cause,
  });
}
