// SPDX-License-Identifier: Apache-2.0
// Files that expanded environments depend on. The service that has them may be gone when the job
// runs, so they are fetched at once and named as files of this machine, which runners can stage.

import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline as streamInto } from 'node:stream/promises';
import {
  create,
  createClient,
  fromBinary,
  jobs,
  pb,
  type ServiceClient,
  toBinary,
  urns,
} from '../proto/index.ts';
import type { ServiceAddress } from './expansion-client.ts';

const Types = urns.StandardArtifacts_Types;
/** What a service alone can read: its own files, and what it promised. The rest names itself. */
const HELD_BY_SERVICE: ReadonlySet<string> = new Set([Types.FILE, Types.DEFERRED]);

type Client = ServiceClient<typeof jobs.ArtifactRetrievalService>;

/** Replaces the artifacts of all environments in `components` by files below `folder`. */
export async function fetchArtifacts(
  components: pb.Components,
  service: ServiceAddress,
  folder: () => Promise<string>,
  signal?: AbortSignal,
): Promise<void> {
  const environments = Object.values(components.environments);
  if (!environments.some(hasDependencies)) return;
  const client = createClient(jobs.ArtifactRetrievalService, service.address, {
    token: service.token,
    sharedBy: service.host,
  });
  try {
    const into = await folder();
    for (const environment of environments) await fetchFor(environment, client, into, signal);
  } finally {
    client.close();
  }
}

function alternatives(environment: pb.Environment): pb.AnyOfEnvironmentPayload | undefined {
  return environment.urn === urns.StandardEnvironments_Environments.ANYOF
    ? fromBinary(pb.AnyOfEnvironmentPayloadSchema, environment.payload)
    : undefined;
}

function hasDependencies(environment: pb.Environment): boolean {
  return (
    environment.dependencies.length > 0 ||
    (alternatives(environment)?.environments.some(hasDependencies) ?? false)
  );
}

async function fetchFor(
  environment: pb.Environment,
  client: Client,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const choice = alternatives(environment);
  if (choice) {
    for (const each of choice.environments) await fetchFor(each, client, folder, signal);
    environment.payload = toBinary(pb.AnyOfEnvironmentPayloadSchema, choice);
  }
  if (environment.dependencies.length === 0) return;
  const { replacements } = await client.resolveArtifacts(
    { artifacts: environment.dependencies, preferredUrns: [Types.FILE] },
    { signal },
  );
  environment.dependencies = await Promise.all(
    replacements.map((artifact) =>
      HELD_BY_SERVICE.has(artifact.typeUrn) ? download(artifact, client, folder, signal) : artifact,
    ),
  );
}

async function download(
  artifact: pb.ArtifactInformation,
  client: Client,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<pb.ArtifactInformation> {
  const name = createHash('sha256')
    .update(toBinary(pb.ArtifactInformationSchema, artifact))
    .digest('hex');
  const path = join(folder, name);
  const hash = createHash('sha256');
  const stream = client.getArtifact({ artifact }, { signal });
  async function* data() {
    for await (const message of stream as AsyncIterable<jobs.GetArtifactResponse>) {
      hash.update(message.data);
      yield message.data;
    }
  }
  await streamInto(Readable.from(data()), createWriteStream(path));
  const payload = create(pb.ArtifactFilePayloadSchema, { path, sha256: hash.digest('hex') });
  return create(pb.ArtifactInformationSchema, {
    typeUrn: Types.FILE,
    typePayload: toBinary(pb.ArtifactFilePayloadSchema, payload),
    roleUrn: artifact.roleUrn,
    rolePayload: artifact.rolePayload,
  });
}
