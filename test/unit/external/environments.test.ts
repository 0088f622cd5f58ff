// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseEnvironments } from '../../../src/external/index.ts';
import { create, type MessageInitShape, pb, toBinary, urns } from '../../../src/proto/index.ts';

const { ANYOF, DOCKER, EXTERNAL, PROCESS } = urns.StandardEnvironments_Environments;
type Environment = MessageInitShape<typeof pb.EnvironmentSchema>;

function anyOf(environments: Environment[], rest: Environment = {}): Environment {
  const payload = create(pb.AnyOfEnvironmentPayloadSchema, { environments });
  return { ...rest, urn: ANYOF, payload: toBinary(pb.AnyOfEnvironmentPayloadSchema, payload) };
}

function chosen(environment: Environment): pb.Environment {
  const pipeline = create(pb.PipelineSchema, { components: { environments: { e: environment } } });
  chooseEnvironments(pipeline);
  return pipeline.components!.environments.e!;
}

test('an environment that is no choice stays as it is', () => {
  assert.equal(chosen({ urn: DOCKER, payload: new Uint8Array([1]) }).urn, DOCKER);
});

test('of several alternatives the one that needs least is taken', () => {
  const embedded = { urn: 'beam:env:embedded_python:v1' };
  const of = (...all: Environment[]) => chosen(anyOf(all)).urn;
  assert.equal(of(embedded, { urn: EXTERNAL }), EXTERNAL);
  assert.equal(of({ urn: DOCKER }, { urn: PROCESS }), PROCESS);
  assert.equal(of({ urn: DOCKER }, { urn: PROCESS }, { urn: EXTERNAL }), EXTERNAL);
  assert.equal(of({ urn: DOCKER }, anyOf([{ urn: EXTERNAL }])), EXTERNAL);
  assert.equal(of(embedded), embedded.urn);
});

test('what is said around the alternatives holds for the one that is taken', () => {
  const artifact = create(pb.ArtifactInformationSchema, { typeUrn: 'around' });
  const own = create(pb.ArtifactInformationSchema, { typeUrn: 'own' });
  const around = { dependencies: [artifact], capabilities: ['c'] };
  assert.deepEqual(chosen(anyOf([{ urn: EXTERNAL }], around)).dependencies, [artifact]);
  const kept = chosen(anyOf([{ urn: EXTERNAL, dependencies: [own] }], around));
  assert.deepEqual(kept.dependencies, [own]);
  assert.deepEqual(kept.capabilities, ['c']);
});
