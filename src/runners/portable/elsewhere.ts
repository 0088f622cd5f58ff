// SPDX-License-Identifier: Apache-2.0
// What a job needs whose functions run in workers that this program does not start: an environment that
// says who does, the program for them to load, and the digest of what it constructed.

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
  optionsToText,
  PROGRAM_OPTION,
  PROTOCOL,
  programToText,
  type WorkerProgram,
} from '../../worker/index.ts';
import type { Construct, PipelineDefinition } from '../definition.ts';
import type { PipelineOptions } from '../options.ts';
import { environmentOf } from './environment.ts';

/** How workers elsewhere are named to a runner, and what they are told. */
export interface Elsewhere {
  readonly environment: MessageInitShape<typeof pb.EnvironmentSchema>;
  readonly options: Readonly<Record<string, unknown>>;
}

/**
 * Makes a program ready to be loaded by workers.
 *
 * @throws BeamBridgeError `PIPELINE_NOT_EXPORTED`, `PROGRAM_NOT_BUNDLED`, `NATIVE_PACKAGE`,
 * `INVALID_ARGUMENT`, `UNSUPPORTED`
 */
export async function prepareElsewhere(
  pipeline: Pipeline,
  options: PipelineOptions,
  source: Construct | PipelineDefinition | undefined,
): Promise<Elsewhere> {
  refuseExpanded(pipeline);
  const { workerProgram = 'bundle' } = options;
  if (workerProgram !== 'bundle' && workerProgram !== 'module') {
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      `workerProgram ${JSON.stringify(workerProgram)} is none`,
      {
        hint: "It is 'bundle' or 'module'.",
      },
    );
  }
  if (workerProgram === 'bundle') refuseNative(pipeline);
  const exported = await findExport(source ?? (() => {}));
  const bundled = workerProgram === 'bundle' ? await bundle(exported) : undefined;
  const program: WorkerProgram = {
    protocol: PROTOCOL,
    version: packageVersion(),
    ...exported,
    bundle: bundled?.bundle,
    argv: process.argv.slice(2),
    cwd: process.cwd(),
    digest: graphDigest(pipeline),
    options: optionsToText(options),
  };
  return {
    environment: await environmentOf(options, bundled ? [bundled.artifact] : []),
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

async function bundle(exported: Exported) {
  const { text, sha256 } = await bundleProgram(exported);
  const bytes = text.length;
  const path = (await findProgram(sha256)) ?? (await keepProgram({ sha256, bytes }, [text]));
  const stem = basename(exported.moduleUrl).replace(/\.[cm]?[jt]sx?$/, '');
  // What is staged for other jobs may have the same name.
  const name = `${stem.replaceAll(/[^A-Za-z0-9_.-]+/g, '-')}-${sha256.slice(0, 16)}.mjs`;
  return { bundle: { name, sha256, bytes }, artifact: artifact(path, name, sha256) };
}

function artifact(path: string, stagedName: string, sha256: string): pb.ArtifactInformation {
  return create(pb.ArtifactInformationSchema, {
    typeUrn: urns.StandardArtifacts_Types.FILE,
    typePayload: toBinary(
      pb.ArtifactFilePayloadSchema,
      create(pb.ArtifactFilePayloadSchema, { path, sha256 }),
    ),
    roleUrn: urns.StandardArtifacts_Roles.STAGING_TO,
    rolePayload: toBinary(
      pb.ArtifactStagingToRolePayloadSchema,
      create(pb.ArtifactStagingToRolePayloadSchema, { stagedName }),
    ),
  });
}
