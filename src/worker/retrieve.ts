// SPDX-License-Identifier: Apache-2.0
// The program that a runner staged, fetched by its worker over Beam's artifact services.

import { BeamBridgeError } from '../base/index.ts';
import { createClient, fromBinary, GrpcStatus, jobs, pb, urns } from '../proto/index.ts';
import { findProgram, keepProgram, type ProgramType } from './program-cache.ts';

const { EMBEDDED, FILE } = urns.StandardArtifacts_Types;
const { STAGING_TO } = urns.StandardArtifacts_Roles;
/** The role of a package in the official SDK, whose workers install it. */
export const NPM = 'beam:artifact:type:npm:v1';
/** What runners without artifacts give for a token. */
const NOTHING_STAGED = '__no_artifacts_staged__';

/** What a runner told of its artifacts. */
export interface Staged {
  readonly endpoint: string | undefined;
  readonly dependencies: readonly pb.ArtifactInformation[];
  /** Runners of before name what they staged by this alone. */
  readonly retrievalToken: string;
  readonly workerId: string;
}

/** What is asked for: `WorkerProgram.bundle` or `packed`. */
export interface WantedProgram {
  readonly name: string;
  readonly sha256: string;
  readonly bytes: number;
}

/**
 * The path of the program on this machine, fetched unless it is here.
 *
 * @throws BeamBridgeError `ARTIFACT_DAMAGED`, `WORKER_START_FAILED`, `IO_FAILED`
 */
export async function retrieveProgram(
  wanted: WantedProgram,
  staged: Staged,
  signal: AbortSignal,
  type?: ProgramType,
): Promise<string> {
  const found = await findProgram(wanted.sha256, type);
  if (found) return found;
  try {
    return await keepProgram({ ...wanted, ...(type && { type }) }, fetch(wanted, staged, signal));
  } catch (error) {
    if (error instanceof BeamBridgeError) throw error;
    throw new BeamBridgeError(
      'WORKER_START_FAILED',
      `the program ${wanted.name} could not be fetched from the runner's artifact service at ${staged.endpoint}`,
      { cause: error, hint: 'Its address must be one that this machine can reach.' },
    );
  }
}

async function* fetch(
  wanted: WantedProgram,
  { endpoint, dependencies, retrievalToken, workerId }: Staged,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const embedded = dependencies.find((each) => each.typeUrn === EMBEDDED && isWanted(each, wanted));
  if (embedded) {
    yield fromBinary(pb.EmbeddedFilePayloadSchema, embedded.typePayload).data;
    return;
  }
  if (!endpoint) throw notStaged(wanted, 'the runner named no artifact service');
  const metadata = { worker_id: workerId };
  if (dependencies.length === 0 && retrievalToken !== '' && retrievalToken !== NOTHING_STAGED) {
    yield* fetchByToken(wanted, endpoint, retrievalToken, metadata, signal);
    return;
  }
  const client = createClient(jobs.ArtifactRetrievalService, endpoint, { metadata });
  try {
    const artifact = await resolve(wanted, dependencies, client, signal);
    const stream = client.getArtifact({ artifact }, { signal });
    for await (const { data } of stream as AsyncIterable<jobs.GetArtifactResponse>) yield data;
  } finally {
    client.close();
  }
}

async function resolve(
  wanted: WantedProgram,
  dependencies: readonly pb.ArtifactInformation[],
  client: ReturnType<typeof createClient<typeof jobs.ArtifactRetrievalService>>,
  signal: AbortSignal,
): Promise<pb.ArtifactInformation> {
  const request = { artifacts: [...dependencies], preferredUrns: [FILE] };
  const { replacements } = await client.resolveArtifacts(request, { signal }).catch((error) => {
    // Some runners have nothing to say to this.
    if ((error as { code?: number }).code !== GrpcStatus.UNIMPLEMENTED) throw error;
    return { replacements: [] };
  });
  const artifact = [...replacements, ...dependencies].find((each) => isWanted(each, wanted));
  if (artifact) return artifact;
  throw notStaged(wanted, `the runner staged ${dependencies.length} other artifacts`);
}

/** By its name, which stays the same, or by its content: a runner may have put it elsewhere. */
function isWanted(
  { roleUrn, rolePayload, typeUrn, typePayload }: pb.ArtifactInformation,
  { name, sha256 }: WantedProgram,
): boolean {
  if (roleUrn === STAGING_TO || roleUrn === NPM) {
    const { stagedName } = fromBinary(pb.ArtifactStagingToRolePayloadSchema, rolePayload);
    if (stagedName === name) return true;
  }
  return (
    typeUrn === FILE && fromBinary(pb.ArtifactFilePayloadSchema, typePayload).sha256 === sha256
  );
}

async function* fetchByToken(
  wanted: WantedProgram,
  endpoint: string,
  retrievalToken: string,
  metadata: Record<string, string>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const client = createClient(jobs.LegacyArtifactRetrievalService, endpoint, { metadata });
  try {
    const { manifest } = await client.getManifest({ retrievalToken }, { signal });
    const names = manifest?.artifact.map(({ name }) => name) ?? [];
    if (!names.includes(wanted.name)) {
      throw notStaged(wanted, `the runner staged ${names.length} other artifacts`);
    }
    const stream = client.getArtifact({ name: wanted.name, retrievalToken }, { signal });
    for await (const { data } of stream as AsyncIterable<jobs.ArtifactChunk>) yield data;
  } finally {
    client.close();
  }
}

function notStaged({ name }: WantedProgram, why: string): BeamBridgeError {
  return new BeamBridgeError(
    'WORKER_START_FAILED',
    `the program ${name} is not among what was staged: ${why}`,
    {
      hint: "This runner hands no artifacts to workers. Where workers have the program under the same path, say workerProgram: 'module'.",
    },
  );
}
