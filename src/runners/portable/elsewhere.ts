// SPDX-License-Identifier: Apache-2.0
// What a job needs whose functions run in workers that this program does not start: an environment that
// says who does, the program for them to load, and the digest of what it constructed.

import { randomBytes } from 'node:crypto';
import { basename } from 'node:path';
import { BeamBridgeError, packageVersion } from '../../base/index.ts';
import { graphDigest, type Pipeline } from '../../pipeline/index.ts';
import { create, type MessageInitShape, pb, toBinary, urns } from '../../proto/index.ts';
import {
  bundleProgram,
  type Exported,
  findExport,
  findProgram,
  keepProgram,
  NATIVE_REMEDY,
  NPM,
  optionsToText,
  PROGRAM_OPTION,
  PROTOCOL,
  packProgram,
  programToText,
  type WorkerProgram,
} from '../../worker/index.ts';
import type { Construct, PipelineDefinition } from '../definition.ts';
import type { PipelineOptions } from '../options.ts';
import { environmentOf } from './environment.ts';

const { STAGING_TO } = urns.StandardArtifacts_Roles;

/** How workers elsewhere are named to a runner, and what they are told. */
export interface Elsewhere {
  readonly environment: MessageInitShape<typeof pb.EnvironmentSchema>;
  readonly options: Readonly<Record<string, unknown>>;
}

/**
 * Makes a program ready to be loaded by workers.
 *
 * @throws BeamBridgeError `PIPELINE_NOT_EXPORTED`, `PROGRAM_NOT_BUNDLED`, `NATIVE_PACKAGE`,
 * `PROGRAM_NOT_PACKED`, `WORKER_MISMATCH`, `INVALID_ARGUMENT`, `UNSUPPORTED`
 */
export async function prepareElsewhere(
  pipeline: Pipeline,
  options: PipelineOptions,
  source: Construct | PipelineDefinition | undefined,
): Promise<Elsewhere> {
  refuseExpanded(pipeline);
  const { workerProgram = 'bundle' } = options;
  const make = WAYS[workerProgram];
  if (!Object.hasOwn(WAYS, workerProgram) || !make) {
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `workerProgram ${JSON.stringify(workerProgram)} is none`,
      { hint: `It is one of ${Object.keys(WAYS).join(', ')}.` },
    );
  }
  if (workerProgram === 'bundle') refuseNative(pipeline);
  const exported = await findExport(source ?? (() => {}));
  const { artifact, ...travelling } = await make(exported);
  pipeline.runMark = randomBytes(6).toString('hex');
  const program: WorkerProgram = {
    protocol: PROTOCOL,
    version: packageVersion(),
    ...exported,
    ...travelling,
    argv: process.argv.slice(2),
    cwd: process.cwd(),
    digest: graphDigest(pipeline),
    runMark: pipeline.runMark,
    options: optionsToText(options),
  };
  return {
    environment: await environmentOf(options, artifact ? [artifact] : []),
    options: { [PROGRAM_OPTION]: programToText(program) },
  };
}

/** What this package loads itself, a bundler does not see. */
function refuseNative({ nativePackages }: Pipeline): void {
  if (nativePackages.size === 0) return;
  throw new BeamBridgeError(
    'NATIVE_PACKAGE',
    `the pipeline loads native code, which cannot travel in a bundle: ${[...nativePackages].join(', ')}`,
    { hint: NATIVE_REMEDY },
  );
}

/** A worker would have to expand them again while it constructs. */
function refuseExpanded(pipeline: Pipeline): void {
  const expanded = pipeline.transforms.find(({ external }) => external?.expansion);
  if (!expanded) return;
  throw new BeamBridgeError(
    'UNSUPPORTED',
    'a transform whose outputs nobody declared is expanded while the pipeline is constructed, which workers elsewhere cannot do',
    {
      ...expanded.errorDetails,
      hint: 'Declare its output, { output: … }, and apply it with apply().',
    },
  );
}

/** How a program travels, and what is staged for that. */
type Travelling = Pick<WorkerProgram, 'bundle' | 'packed'> & {
  readonly artifact?: pb.ArtifactInformation;
};

const WAYS: Readonly<Record<string, (exported: Exported) => Promise<Travelling>>> = {
  bundle: async (exported) => {
    const { text, sha256 } = await bundleProgram(exported);
    const stem = basename(exported.moduleUrl).replace(/\.[cm]?[jt]sx?$/, '');
    const bundle = { name: stagedName(stem, sha256, 'mjs'), sha256, bytes: text.length };
    return { bundle, artifact: artifactOf(bundle, STAGING_TO, await keep(text, sha256, 'mjs')) };
  },
  package: async (exported) => {
    const { package: name, content, sha256, entry } = await packProgram(exported);
    const packed = { name: stagedName(name, sha256, 'tgz'), sha256, bytes: content.length, entry };
    return { packed, artifact: artifactOf(packed, NPM, await keep(content, sha256, 'tgz')) };
  },
  module: async () => ({}),
};

/** What is staged for other jobs may have the same name. */
function stagedName(stem: string, sha256: string, type: string): string {
  const safe = stem.replaceAll(/[^A-Za-z0-9_.-]+/g, '-').replace(/^-/, '');
  return `${safe}-${sha256.slice(0, 16)}.${type}`;
}

async function keep(content: Uint8Array, sha256: string, type: 'mjs' | 'tgz'): Promise<string> {
  const found = await findProgram(sha256, type);
  return found ?? keepProgram({ sha256, bytes: content.length, type }, [content]);
}

function artifactOf(
  { name, sha256 }: { readonly name: string; readonly sha256: string },
  roleUrn: string,
  path: string,
): pb.ArtifactInformation {
  return create(pb.ArtifactInformationSchema, {
    typeUrn: urns.StandardArtifacts_Types.FILE,
    typePayload: toBinary(
      pb.ArtifactFilePayloadSchema,
      create(pb.ArtifactFilePayloadSchema, { path, sha256 }),
    ),
    roleUrn,
    // The official SDK gives a package no name. Runners keep what stands here.
    rolePayload: toBinary(
      pb.ArtifactStagingToRolePayloadSchema,
      create(pb.ArtifactStagingToRolePayloadSchema, { stagedName: name }),
    ),
  });
}
