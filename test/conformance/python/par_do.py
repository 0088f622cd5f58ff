# SPDX-License-Identifier: Apache-2.0
"""What DoFns in Python can do beside: outputs, life cycle, metrics, combining, finalization."""

import os

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import MIN_TIMESTAMP
from apache_beam.utils.windowed_value import WindowedValue


class Sort(beam.DoFn):
  def process(self, x):
    yield x
    yield beam.pvalue.TaggedOutput('even' if x % 2 == 0 else 'odd', str(x))


def outputs(pcoll):
  found = pcoll | beam.ParDo(Sort()).with_outputs('even', 'odd', main='all')
  return {
      'even': found.even | 'Even' >> beam.Map(str).with_output_types(str),
      'odd': found.odd | 'Odd' >> beam.Map(str).with_output_types(str),
      'all': found.all | 'All' >> beam.Map(int).with_output_types(int),
  }


class LifeCycle(beam.DoFn):
  def setup(self):
    self.events = ['setup']

  def start_bundle(self):
    self.events.append('start')

  def process(self, x):
    self.events.append('process')
    yield ' '.join(self.events[:3])

  def finish_bundle(self):
    yield WindowedValue('finish', MIN_TIMESTAMP, [GlobalWindow()])


def life_cycle(pcoll):
  return pcoll | beam.ParDo(LifeCycle()).with_output_types(str) | beam.Distinct()


class Counting(beam.DoFn):
  def __init__(self):
    self.seen = Metrics.counter('python', 'seen')
    self.sizes = Metrics.distribution('python', 'sizes')
    self.last = Metrics.gauge('python', 'last')

  def process(self, x):
    self.seen.inc()
    self.sizes.update(x)
    self.last.set(7)
    yield x


def counting(pcoll):
  return pcoll | beam.ParDo(Counting()).with_output_types(int)


class Mean(beam.CombineFn):
  def create_accumulator(self):
    return (0, 0)

  def add_input(self, accumulator, value):
    return (accumulator[0] + value, accumulator[1] + 1)

  def merge_accumulators(self, accumulators):
    totals, counts = zip(*accumulators)
    return (sum(totals), sum(counts))

  def extract_output(self, accumulator):
    return accumulator[0] / accumulator[1] if accumulator[1] else -1.0


def combined(pcoll):
  keyed = pcoll | beam.Map(lambda x: (x % 2, x)).with_output_types(tuple[int, int])
  per_key = keyed | beam.CombinePerKey(Mean()) | 'A' >> beam.Map(lambda kv: f'{kv[0]}: {kv[1]}')
  everything = pcoll | beam.CombineGlobally(Mean()) | 'B' >> beam.Map(lambda x: f'all: {x}')
  nothing = (
      pcoll | beam.Filter(lambda x: False) | 'Nothing' >> beam.CombineGlobally(Mean())
      | 'C' >> beam.Map(lambda x: f'none: {x}'))
  return [per_key, everything, nothing] | beam.Flatten() | beam.Map(str).with_output_types(str)


def joined(pcolls):
  left = pcolls['left'] | 'L' >> beam.Map(lambda x: (x % 2, x)).with_output_types(tuple[int, int])
  right = pcolls['right'] | 'R' >> beam.Map(lambda x: (x % 2, x)).with_output_types(
      tuple[int, int])
  return ({'l': left, 'r': right}
          | beam.CoGroupByKey()
          | beam.MapTuple(lambda k, v: f'{k} {sorted(v["l"])} {sorted(v["r"])}').with_output_types(
              str))


class Finalized(beam.DoFn):
  def __init__(self, path):
    self.path = path

  def process(self, x, finalizer=beam.DoFn.BundleFinalizerParam):
    def write():
      with open(self.path, 'a') as file:
        file.write(f'{x}\n')

    finalizer.register(write)
    yield x


def finalized(path):
  return beam.ParDo(Finalized(path)).with_output_types(int)


def pid(x):
  return x + 0 * os.getpid()


class Broken(beam.DoFn):
  def process(self, x):
    raise ValueError(f'I do not like {x}')


def broken(pcoll):
  return pcoll | 'Picky' >> beam.ParDo(Broken()).with_output_types(int)
