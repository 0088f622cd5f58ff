// SPDX-License-Identifier: Apache-2.0
// The options `environmentType` and `environmentConfig` as Beam's environments.

import { BeamBridgeError, checkOptionNames, errorNonce } from '../../base/index.ts';
import { ownEnvironment } from '../../harness/index.ts';
import { create, type MessageInitShape, pb, toBinary, urns } from '../../proto/index.ts';
import { type Host, pythonBoot } from '../../services/index.ts';
import { makeLauncher, makeWorkerLauncher } from '../../worker/index.ts';
import type { PipelineOptions } from '../options.ts';

const { DOCKER, EXTERNAL, PROCESS } = urns.StandardEnvironments_Environments;
const TYPES = ['LOOPBACK', 'PROCESS', 'EXTERNAL', 'DOCKER'];

type Environment = MessageInitShape<typeof pb.EnvironmentSchema>;
type Config = Readonly<Record<string, unknown>>;

/** What one of the options names, and what stands in where it leaves a command out. */
interface Wanted {
  readonly type: string | undefined;
  readonly config: PipelineOptions['environmentConfig'];
  /** The path of a command for this machine. */
  readonly launcher: () => Promise<string>;
  /** Variables for it. */
  readonly env?: Readonly<Record<string, string>>;
}

/** The part of an environment that says who starts its workers. */
interface Starter {
  readonly urn: string;
  readonly payload: Uint8Array;
}

/**
 * The environment whose workers run functions of this program elsewhere.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT`
 */
export async function environmentOf(
  { environmentType: type, environmentConfig: config }: PipelineOptions,
  dependencies: pb.ArtifactInformation[],
): Promise<Environment> {
  const { urn, payload } = await starterOf({ type, config, launcher: makeWorkerLauncher });
  return ownEnvironment(urn, payload, dependencies);
}

/**
 * Who starts the workers of Python stages that a host of ours expanded; undefined where the host does.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT`
 */
export function pythonStarter(
  options: PipelineOptions,
): ((host: Host) => Promise<Starter>) | undefined {
  const { environmentType, environmentConfig, pythonEnvironmentConfig: config } = options;
  // Where TypeScript's workers are made on this machine, so can Python's be.
  const isHere = environmentType === 'PROCESS' && !namesCommand(environmentConfig);
  const type = options.pythonEnvironmentType ?? (isHere || config ? environmentType : 'LOOPBACK');
  if (type === undefined || type === 'LOOPBACK') return undefined;
  return ({ python, token }) => {
    const { command, env } = pythonBoot(python);
    return starterOf({
      type,
      config,
      launcher: () => makeLauncher(command, env),
      // By it what their errors say of codes and hints is believed.
      env: { BEAMBRIDGE_ERROR_NONCE: errorNonce(token) },
    });
  };
}

function namesCommand(config: PipelineOptions['environmentConfig']): boolean {
  return typeof config === 'string' && !isJson(config) ? true : 'command' in parse(config);
}

async function starterOf(wanted: Wanted): Promise<Starter> {
  const { type, config } = wanted;
  switch (type) {
    case 'PROCESS':
      return { urn: PROCESS, payload: await processPayload(wanted) };
    case 'EXTERNAL':
      return { urn: EXTERNAL, payload: externalPayload(config) };
    case 'DOCKER':
      return { urn: DOCKER, payload: dockerPayload(config) };
    default:
      throw invalid(
        `there is no environmentType ${JSON.stringify(type)}`,
        `There are ${TYPES.join(', ')}.`,
      );
  }
}

async function processPayload({ config: given, launcher, env: own }: Wanted): Promise<Uint8Array> {
  const config = typeof given === 'string' && !isJson(given) ? { command: given } : parse(given);
  checkOptionNames('environmentConfig', config, { command: true, env: true, os: true, arch: true });
  const { command, env, os, arch } = config;
  return toBinary(
    pb.ProcessPayloadSchema,
    create(pb.ProcessPayloadSchema, {
      os: text(os, 'os') ?? '',
      arch: text(arch, 'arch') ?? '',
      command: text(command, 'command') ?? (await launcher()),
      env: { ...own, ...texts(env, 'env') },
    }),
  );
}

function externalPayload(given: PipelineOptions['environmentConfig']): Uint8Array {
  const config = typeof given === 'string' && !isJson(given) ? { url: given } : parse(given);
  checkOptionNames('environmentConfig', config, { url: true, params: true });
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
  checkOptionNames('environmentConfig', config, { image: true });
  const containerImage = text(config.image, 'image');
  if (!containerImage) {
    throw invalid(
      'DOCKER workers need the name of an image',
      "Give environmentConfig: 'REGISTRY/NAME:TAG', of an image that `beambridge worker image --print` describes.",
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
