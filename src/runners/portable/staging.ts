// SPDX-License-Identifier: Apache-2.0
// Artifact staging: the job service asks for the files that a pipeline's environments name, over a
// stream in which it is the one that puts questions.

import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { BeamBridgeError } from '../../base/index.ts';
import type { ServiceAddress } from '../../external/index.ts';
import {
  create,
  createClient,
  fromBinary,
  jobs,
  type MessageInitShape,
  pb,
  urns,
} from '../../proto/index.ts';

const CHUNK_BYTES = 1 << 20;
const Types = urns.StandardArtifacts_Types;

/** All artifacts that the pipeline's environments depend on. */
export function artifactsOf(pipeline: pb.Pipeline): pb.ArtifactInformation[] {
  return Object.values(pipeline.components?.environments ?? {}).flatMap(dependencies);
}

// An environment may be a choice between several, each with its own dependencies.
function dependencies(environment: pb.Environment): pb.ArtifactInformation[] {
  if (environment.urn !== urns.StandardEnvironments_Environments.ANYOF)
    return environment.dependencies;
  const { environments } = fromBinary(pb.AnyOfEnvironmentPayloadSchema, environment.payload);
  return [...environment.dependencies, ...environments.flatMap(dependencies)];
}

/**
 * Answers the staging service's questions until it has no more.
 *
 * Only artifacts that the pipeline names are served: a job service must not read other files here.
 *
 * @throws BeamBridgeError `FILE_NOT_FOUND` for an artifact that is not there, `JOB_FAILED`
 */
export async function stageArtifacts(
  { address, token }: ServiceAddress,
  stagingToken: string,
  artifacts: readonly pb.ArtifactInformation[],
  signal: AbortSignal,
): Promise<void> {
  const client = createClient(jobs.ArtifactStagingService, address, { token });
  const offered = new Set(artifacts.map(identity));
  const stream = client.reverseArtifactRetrievalService({ signal });
  const send = async (message: MessageInitShape<typeof jobs.ArtifactResponseWrapperSchema>) => {
    const whole = create(jobs.ArtifactResponseWrapperSchema, { stagingToken, ...message });
    if (!stream.write(whole)) await drained(stream);
  };
  try {
    await send({});
    // A service that needs nothing ends the stream without a question.
    for await (const message of stream as AsyncIterable<jobs.ArtifactRequestWrapper>) {
      const { request } = message;
      if (request.case === 'resolveArtifact') {
        const value = { replacements: request.value.artifacts };
        await send({ response: { case: 'resolveArtifactResponse', value } });
      } else if (request.case === 'getArtifact' && request.value.artifact) {
        for await (const data of read(request.value.artifact, offered, signal)) {
          await send({ response: { case: 'getArtifactResponse', value: { data } } });
        }
        const value = { data: new Uint8Array() };
        await send({ isLast: true, response: { case: 'getArtifactResponse', value } });
      }
    }
    stream.end();
  } finally {
    stream.cancel();
    client.close();
  }
}

interface Emitter {
  once(event: string, listener: () => void): unknown;
  off(event: string, listener: () => void): unknown;
}

/** Waits until a stream takes more, or will never. */
async function drained(stream: Emitter): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = () => {
      for (const event of ['drain', 'close', 'error']) stream.off(event, done);
      resolve();
    };
    for (const event of ['drain', 'close', 'error']) stream.once(event, done);
  });
}

function identity(artifact: pb.ArtifactInformation): string {
  return `${artifact.typeUrn} ${Buffer.from(artifact.typePayload).toString('base64')}`;
}

async function* read(
  artifact: pb.ArtifactInformation,
  offered: ReadonlySet<string>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  if (!offered.has(identity(artifact))) {
    throw new BeamBridgeError(
      'JOB_FAILED',
      'the job service asked for a file that the pipeline does not name',
      { hint: 'Its request was refused, since it could read any file of this machine that way.' },
    );
  }
  switch (artifact.typeUrn) {
    case Types.FILE:
      yield* readFile(fromBinary(pb.ArtifactFilePayloadSchema, artifact.typePayload).path, signal);
      return;
    case Types.URL:
      yield* readUrl(fromBinary(pb.ArtifactUrlPayloadSchema, artifact.typePayload).url, signal);
      return;
    case Types.EMBEDDED:
      yield fromBinary(pb.EmbeddedFilePayloadSchema, artifact.typePayload).data;
      return;
    default:
      throw new BeamBridgeError(
        'UNSUPPORTED',
        `an artifact of type ${artifact.typeUrn} cannot be staged`,
        { hint: 'Artifacts are files, URLs or embedded bytes by the time a job is submitted.' },
      );
  }
}

async function* readFile(path: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(path, { highWaterMark: CHUNK_BYTES, signal }) as AsyncIterable<Buffer>;
  } catch (error) {
    if (signal.aborted) throw error;
    throw new BeamBridgeError('FILE_NOT_FOUND', `the artifact ${path} cannot be read`, {
      cause: error,
      hint: 'The pipeline depends on this file: check that it exists and may be read.',
    });
  }
}

async function* readUrl(url: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  if (url.startsWith('file:')) {
    yield* readFile(new URL(url).pathname, signal);
    return;
  }
  const response = await fetch(url, { signal }).catch((cause: unknown) => {
    throw new BeamBridgeError('FILE_NOT_FOUND', `the artifact ${url} cannot be fetched`, { cause });
  });
  if (!response.ok || !response.body) {
    throw new BeamBridgeError(
      'FILE_NOT_FOUND',
      `the artifact ${url} cannot be fetched: status ${response.status}`,
    );
  }
  const body = Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]);
  yield* body as AsyncIterable<Uint8Array>;
  await finished(body);
}
