// SPDX-License-Identifier: Apache-2.0
// What Dataflow must be told, checked before anything is started: its own words come minutes later.

import { BeamBridgeError } from '../../base/index.ts';
import type { Pipeline } from '../../pipeline/index.ts';
import type { PipelineOptions } from '../options.ts';

/** What each of the options that must be there looks like. */
const NEEDED = {
  project: {
    form: /^(?:[a-z][a-z0-9.-]*:)?[a-z][a-z0-9-]*[a-z0-9]$/,
    hint: "Give the id of a project of Google Cloud's: project: 'my-project'.",
  },
  region: {
    form: /^[a-z]+(?:-[a-z0-9]+)+$/,
    hint: "Give a region of Google Cloud's: region: 'europe-west1'.",
  },
  tempLocation: {
    form: /^gs:\/\/[a-z0-9][a-z0-9._-]*[a-z0-9](?:\/.*)?$/,
    hint: "Give a folder of Google Cloud Storage: tempLocation: 'gs://my-bucket/temp'.",
  },
  environmentConfig: {
    form: /\S/,
    hint: "Give the image of workers for TypeScript: environmentConfig: 'REGISTRY/NAME:TAG', of what `beambridge worker image --print` prints.",
  },
} as const;

const NEEDED_FOR_PYTHON = {
  pythonEnvironmentConfig: {
    form: /\S/,
    hint: "Give the image of workers for Python stages: pythonEnvironmentConfig: 'REGISTRY/NAME:TAG', of what `beambridge worker image --print --language=python` prints.",
  },
} as const;

/**
 * The options of a run on Dataflow, which knows containers alone.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT`, `UNSUPPORTED`
 */
export function dataflowOptions(options: PipelineOptions, pipeline: Pipeline): PipelineOptions {
  for (const name of ['environmentType', 'pythonEnvironmentType']) {
    const type = options[name];
    if (type === undefined || type === 'DOCKER') continue;
    throw new BeamBridgeError(
      'UNSUPPORTED',
      `the runner 'dataflow' has no workers of ${name} ${JSON.stringify(type)}`,
      { hint: "Dataflow runs containers alone: leave it out, or say 'DOCKER'." },
    );
  }
  refuseLocalOutputs(pipeline);
  const hasPython = pipeline.transforms.some(({ external }) => external?.service.kind === 'python');
  const needed = { ...NEEDED, ...(hasPython ? NEEDED_FOR_PYTHON : {}) };
  for (const [name, { form, hint }] of Object.entries(needed)) check(options, name, form, hint);
  if (options.stagingLocation !== undefined) {
    const { form, hint } = NEEDED.tempLocation;
    check(options, 'stagingLocation', form, hint.replaceAll('temp', 'staging'));
  }
  if (options.jobName !== undefined) {
    check(
      options,
      'jobName',
      /^[a-z](?:[-a-z0-9]{0,1022}[a-z0-9])?$/,
      'Small letters, digits and hyphens, a letter first.',
    );
  }
  return {
    ...options,
    environmentType: 'DOCKER',
    ...(options.pythonEnvironmentConfig ? { pythonEnvironmentType: 'DOCKER' } : {}),
  };
}

/** They would be written in a container, and be gone with it. */
function refuseLocalOutputs({ commits, transforms }: Pipeline): void {
  if (commits.length === 0) return;
  const written = /(?:^|\/)(writeTo(?:Text|Csv|Json))[^/]*$/;
  const sink = transforms.find(({ name }) => written.test(name));
  const what = written.exec(sink?.name ?? '')?.[1] ?? 'writeToText';
  throw new BeamBridgeError(
    'UNSUPPORTED',
    `${what} writes files of the machine that it runs on, which is a container of Dataflow`,
    {
      ...sink?.errorDetails,
      hint: "Write to Cloud Storage: pythonTransform('apache_beam.io.WriteToText', ['gs://my-bucket/out'], {}, { output: string, extras: ['gcp'] }).",
    },
  );
}

function check(options: PipelineOptions, name: string, form: RegExp, hint: string): void {
  const value = options[name];
  // An image may be given as an object, which has a check of its own.
  if (typeof value === 'object' && value !== null && name.endsWith('Config')) return;
  if (typeof value === 'string' && form.test(value)) return;
  throw new BeamBridgeError(
    'INVALID_ARGUMENT',
    value === undefined
      ? `the runner 'dataflow' was given no ${name}`
      : `${name} cannot be ${JSON.stringify(value)} on Dataflow`,
    { hint },
  );
}
