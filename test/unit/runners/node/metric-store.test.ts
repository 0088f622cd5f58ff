// SPDX-License-Identifier: Apache-2.0
// What the progress line shows of a run's counts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteWriter } from '../../../../src/base/index.ts';
import { urns } from '../../../../src/proto/index.ts';
import { MetricStore } from '../../../../src/runners/node/engine/metric-store.ts';

function counted(
  PCOLLECTION: string,
  elements: number,
  urn: string = urns.MonitoringInfoSpecs_Enum.ELEMENT_COUNT,
) {
  const out = new ByteWriter();
  out.signedVarint(elements);
  const type = urns.MonitoringInfoTypeUrns_Enum.SUM_INT64_TYPE;
  return { urn, type, payload: out.take(), labels: { PCOLLECTION } };
}

test('progress counts the largest PCollection, in bundles that are over and under way', () => {
  const store = new MetricStore();
  assert.equal(store.elements([]), 0);
  store.add([counted('words', 1000), counted('lines', 100)]);
  store.add([counted('words', 500), counted('lines', 50)]);
  store.add([counted('words', 9000, urns.MonitoringInfoSpecs_Enum.SAMPLED_BYTE_SIZE)]);
  assert.equal(store.elements([]), 1500);
  assert.equal(store.elements([counted('words', 200)]), 1700);
  assert.equal(store.elements([counted('lines', 2000)]), 2150);
  assert.equal(store.elements([]), 1500);
});
