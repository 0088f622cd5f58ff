# SPDX-License-Identifier: Apache-2.0
"""Windowing in Python: what comes out is told as text, in the global window."""

import apache_beam as beam
from apache_beam.coders.coders import IntervalWindowCoder
from apache_beam.transforms import window
from apache_beam.transforms.window import IntervalWindow, NonMergingWindowFn, TimestampedValue, WindowFn


class Hundreds(NonMergingWindowFn):
  """Windows up to the next full hundred seconds; only Python knows them."""

  def assign(self, context):
    start = context.timestamp.micros // 100_000_000 * 100
    return [IntervalWindow(start, start + 100)]

  def get_window_coder(self):
    return IntervalWindowCoder()


class Runs(WindowFn):
  """As sessions of five seconds, by a function that only Python knows."""

  def assign(self, context):
    return [IntervalWindow(context.timestamp, context.timestamp + 5)]

  def get_window_coder(self):
    return IntervalWindowCoder()

  def merge(self, merge_context):
    run = []
    for each in sorted(merge_context.windows, key=lambda w: w.start):
      if run and each.start > max(w.end for w in run):
        self._merge(merge_context, run)
        run = []
      run.append(each)
    self._merge(merge_context, run)

  @staticmethod
  def _merge(merge_context, run):
    if len(run) > 1:
      merge_context.merge(run, IntervalWindow(run[0].start, max(w.end for w in run)))


WINDOWS = {
    'fixed': window.FixedWindows(10),
    'sliding': window.SlidingWindows(10, 5),
    'sessions': window.Sessions(5),
    'hundreds': Hundreds(),
    'runs': Runs(),
}


def describe(group, w=beam.DoFn.WindowParam, t=beam.DoFn.TimestampParam):
  key, values = group
  start, end = (int(part.micros // 1_000_000) for part in (w.start, w.end))
  return f'{key}: {sorted(values)} in [{start}, {end}) at {t.micros // 1000}'


def grouped(pcoll, name):
  return (
      pcoll
      | f'At{name}' >> beam.Map(lambda x: TimestampedValue(x, x))
      | f'Windows{name}' >> beam.WindowInto(WINDOWS[name])
      | f'Key{name}' >> beam.Map(lambda x: ('even' if x % 2 == 0 else 'odd', x)).with_output_types(
          tuple[str, int])
      | f'Group{name}' >> beam.GroupByKey()
      | f'Describe{name}' >> beam.Map(describe).with_output_types(str)
      | f'Global{name}' >> beam.WindowInto(window.GlobalWindows()))


def fixed(pcoll):
  return grouped(pcoll, 'fixed')


def sliding(pcoll):
  return grouped(pcoll, 'sliding')


def sessions(pcoll):
  return grouped(pcoll, 'sessions')


def hundreds(pcoll):
  return grouped(pcoll, 'hundreds')


def runs(pcoll):
  return grouped(pcoll, 'runs')


def sums_of_runs(pcoll):
  return (
      pcoll
      | beam.Map(lambda x: TimestampedValue(('k', x), x)).with_output_types(tuple[str, int])
      | beam.WindowInto(Runs())
      | beam.CombinePerKey(sum)
      | beam.Values()
      | 'Back' >> beam.WindowInto(window.GlobalWindows()))


def timestamp_combiners(pcoll):
  def latest(kv, t=beam.DoFn.TimestampParam):
    return f'{kv[0]} {t.micros // 1000}'

  outputs = []
  for name, combiner in [
      ('earliest', window.TimestampCombiner.OUTPUT_AT_EARLIEST),
      ('latest', window.TimestampCombiner.OUTPUT_AT_LATEST),
      ('end', window.TimestampCombiner.OUTPUT_AT_EOW),
  ]:
    outputs.append(
        pcoll
        | f'At{name}' >> beam.Map(lambda x: TimestampedValue(x, x))
        | f'Into{name}' >> beam.WindowInto(window.FixedWindows(10), timestamp_combiner=combiner)
        | f'Key{name}' >> beam.Map(lambda x, n=name: (n, x)).with_output_types(tuple[str, int])
        | f'Group{name}' >> beam.GroupByKey()
        | f'Tell{name}' >> beam.Map(latest).with_output_types(str)
        | f'Global{name}' >> beam.WindowInto(window.GlobalWindows()))
  return outputs | beam.Flatten()


def put_in_fixed(pcoll):
  return (
      pcoll
      | beam.Map(lambda x: TimestampedValue(x, x)).with_output_types(int)
      | beam.WindowInto(window.FixedWindows(10)))
