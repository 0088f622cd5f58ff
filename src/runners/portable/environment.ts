// SPDX-License-Identifier: Apache-2.0
// The options `environmentType` and `environmentConfig` as Beam's environments.

import { BeamBridgeError } from '../../base/index.ts';
import { ownEnvironment } from '../../harness/index.ts';
import { create, type MessageInitShape, pb, toBinary, urns } from '../../proto/index.ts';
import { makeLauncher } from '../../worker/index.ts';
import type { PipelineOptions } from '../options.ts';

const { DOCKER, EXTERNAL, PROCESS } = urns.StandardEnvironments_Environments;
const TYPES = ['LOOPBACK', 'PROCESS', 'EXTERNAL', 'DOCKER'];

type Environment = MessageInitShape<typeof pb.EnvironmentSchema>;
type Config = Readonly<Record<string, unknown>>;

/**
 * The environment whose workers run functions of this program elsewhere.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT`
 */
export async function environmentOf(
  { environmentType, environmentConfig }: PipelineOptions,
  dependencies: pb.ArtifactInformation[],
): Promise<Environment> {
  switch (environmentType) {
    case 'PROCESS':
      return ownEnvironment(PROCESS, await processPayload(environmentConfig), dependencies);
    case 'EXTERNAL':
      return ownEnvironment(EXTERNAL, externalPayload(environmentConfig), dependencies);
    case 'DOCKER':
      return ownEnvironment(DOCKER, dockerPayload(environmentConfig), dependencies);
    default:
      throw new BeamBridgeError(
        'INVALID_ARGUMENT',
        `there is no environmentType ${JSON.stringify(environmentType)}`,
        { hint: `There are ${TYPES.join(', ')}.` },
      );
  }
}

async function processPayload(given: PipelineOptions['environmentConfig']): Promise<Uint8Array> {
  const config = typeof given === 'string' && !isJson(given) ? { command: given } : parse(given);
  const { command, env, os, arch } = config;
  return toBinary(
    pb.ProcessPayloadSchema,
    create(pb.ProcessPayloadSchema, {
      os: text(os, 'os') ?? '',
      arch: text(arch, 'arch') ?? '',
      command: text(command, 'command') ?? (await makeLauncher()),
      env: texts(env, 'env'),
    }),
  );
}

function externalPayload(given: PipelineOptions['environmentConfig']): Uint8Array {
  const config = typeof given === 'string' && !isJson(given) ? { url: given } : parse(given);
  const url = text(config.url, 'url');
  if (!url || !/^[^\s/]+:\d{1,5}$/.test(url)) {
    throw invalid(
      'EXTERNAL workers need the address of their pool',
      "Start one with `beambridge worker-pool`, and give environmentConfig: 'HOST:PORT'.",
    );
  }
  return toBinary(
    pb.ExternalPayloadSchema,
    create(pb.ExternalPayloadSchema, {
      endpoint: { url },
      params: texts(config.params, 'params'),
    }),
  );
}

function dockerPayload(given: PipelineOptions['environmentConfig']): Uint8Array {
  const config = typeof given === 'string' && !isJson(given) ? { image: given } : parse(given);
  const containerImage = text(config.image, 'image');
  if (!containerImage) {
    throw invalid(
      'DOCKER workers need the name of an image',
      "Give environmentConfig: 'REGISTRY/NAME:TAG', of an image whose entry point is beambridge-worker.",
    );
  }
  return toBinary(pb.DockerPayloadSchema, create(pb.DockerPayloadSchema, { containerImage }));
}

function isJson(given: string): boolean {
  return given.trimStart().startsWith('{');
}

function parse(given: PipelineOptions['environmentConfig']): Config {
  if (given === undefined) return {};
  if (typeof given !== 'string') return given;
  try {
    return JSON.parse(given) as Config;
  } catch (cause) {
    throw invalid('environmentConfig is no JSON', 'Give an object, or the text of one.', cause);
  }
}

function text(value: unknown, name: string): string | undefined {
  if (value === undefined || typeof value === 'string') return value;
  throw invalid(`${name} of environmentConfig is no text`, `Give ${name} as a text.`);
}

function texts(value: unknown, name: string): Record<string, string> {
  const entries = Object.entries((value ?? {}) as Record<string, unknown>);
  if (entries.every(([, each]) => typeof each === 'string')) {
    return Object.fromEntries(entries) as Record<string, string>;
  }
  throw invalid(`${name} of environmentConfig holds more than texts`, 'Give texts by name.');
}

function invalid(message: string, hint: string, cause?: unknown): BeamBridgeError {
  return new BeamBridgeError('INVALID_ARGUMENT', message, { hint, cause });
}
