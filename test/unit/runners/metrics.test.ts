// SPDX-License-Identifier: Apache-2.0
// Monitoring infos become counters, distributions and gauges.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteWriter } from '../../../src/base/index.ts';
import { create, pb, urns } from '../../../src/proto/index.ts';
import { MetricResults } from '../../../src/runners/metrics.ts';

const Urns = urns.MonitoringInfoSpecs_Enum;

function info(urn: string, name: string, transform: string, write: (out: ByteWriter) => void) {
  const out = new ByteWriter();
  write(out);
  return create(pb.MonitoringInfoSchema, {
    urn,
    payload: out.take(),
    labels: { NAMESPACE: 'ns', NAME: name, PTRANSFORM: transform },
  });
}

const ints =
  (...values: number[]) =>
  (out: ByteWriter) => {
    for (const value of values) out.signedVarint(value);
  };

test('counters are summed by name, and kept apart by transform in a query', () => {
  const metrics = new MetricResults([
    info(Urns.USER_SUM_INT64, 'bad', 'parse', ints(3)),
    info(Urns.USER_SUM_INT64, 'bad', 'score/check', ints(-1)),
    info(Urns.USER_SUM_INT64, 'good', 'parse', ints(40)),
  ]);
  assert.deepEqual(metrics.counters(), { bad: 2, good: 40 });
  assert.deepEqual(metrics.query({ name: 'bad', transform: 'score' }).counters, [
    { namespace: 'ns', name: 'bad', transform: 'score/check', value: -1 },
  ]);
  assert.deepEqual(metrics.query({ namespace: 'other' }), {
    counters: [],
    distributions: [],
    gauges: [],
  });
});

test('distributions of one name are merged', () => {
  const metrics = new MetricResults([
    info(Urns.USER_DISTRIBUTION_INT64, 'size', 'a', ints(2, 10, 3, 7)),
    info(Urns.USER_DISTRIBUTION_INT64, 'size', 'b', ints(3, 5, -1, 4)),
  ]);
  assert.deepEqual(metrics.distributions(), { size: { count: 5, sum: 15, min: -1, max: 7 } });
  assert.equal(metrics.distributions().size?.mean, 3);
});

test('doubles are read as doubles', () => {
  const metrics = new MetricResults([
    info(Urns.USER_SUM_DOUBLE, 'seconds', 'a', (out) => out.float64(0.25)),
    info(Urns.USER_DISTRIBUTION_DOUBLE, 'loss', 'a', (out) => {
      out.signedVarint(2);
      for (const value of [1.5, 0.5, 1]) out.float64(value);
    }),
  ]);
  assert.deepEqual(metrics.counters(), { seconds: 0.25 });
  assert.deepEqual(metrics.distributions().loss, {
    count: 2,
    sum: 1.5,
    min: 0.5,
    max: 1,
  });
  assert.equal(metrics.distributions().loss?.mean, 0.75);
});

test('the latest value of a gauge wins, whatever the order of reports', () => {
  const metrics = new MetricResults([
    info(Urns.USER_LATEST_INT64, 'queue', 'a', ints(2000, 5)),
    info(Urns.USER_LATEST_INT64, 'queue', 'b', ints(1000, 9)),
  ]);
  assert.deepEqual(metrics.gauges(), { queue: { value: 5, timestamp: 2000 } });
});

test('reports of several workers for one transform are one result', () => {
  const metrics = new MetricResults(
    [info(Urns.USER_SUM_INT64, 'n', 't1', ints(1)), info(Urns.USER_SUM_INT64, 'n', 't1', ints(2))],
    (id) => (id === 't1' ? 'parse' : id),
  );
  assert.deepEqual(metrics.query().counters, [
    { namespace: 'ns', name: 'n', transform: 'parse', value: 3 },
  ]);
});

test('metrics of the system are left out', () => {
  const metrics = new MetricResults([info(Urns.ELEMENT_COUNT, 'n', 't', ints(1))]);
  assert.deepEqual(metrics.counters(), {});
});
