# SPDX-License-Identifier: Apache-2.0
"""Triggers that are set in Python."""

import apache_beam as beam
from apache_beam.transforms import trigger, window


def panes(pcoll, windowing):
  def describe(group, w=beam.DoFn.WindowParam, pane=beam.DoFn.PaneInfoParam):
    timing = {0: 'early', 1: 'on time', 2: 'late', 3: 'unknown'}[pane.timing]
    return f'{sorted(group[1])} {timing}'

  return (
      pcoll
      | beam.Map(lambda x: ('k', x)).with_output_types(tuple[str, int])
      | windowing
      | beam.GroupByKey()
      | beam.Map(describe).with_output_types(str)
      | 'Back' >> beam.WindowInto(window.GlobalWindows()))


def watermark(pcoll):
  return panes(
      pcoll,
      beam.WindowInto(
          window.FixedWindows(60),
          trigger=trigger.AfterWatermark(early=trigger.AfterCount(2), late=trigger.AfterCount(1)),
          accumulation_mode=trigger.AccumulationMode.ACCUMULATING,
          allowed_lateness=30))


def discarding(pcoll):
  return panes(
      pcoll,
      beam.WindowInto(
          window.FixedWindows(60),
          trigger=trigger.AfterWatermark(early=trigger.AfterCount(2)),
          accumulation_mode=trigger.AccumulationMode.DISCARDING))


def composite(pcoll):
  return panes(
      pcoll,
      beam.WindowInto(
          window.GlobalWindows(),
          trigger=trigger.Repeatedly(
              trigger.AfterAny(trigger.AfterCount(3), trigger.AfterProcessingTime(60))),
          accumulation_mode=trigger.AccumulationMode.DISCARDING))


def each_three(pcoll):
  return panes(
      pcoll,
      beam.WindowInto(
          window.GlobalWindows(),
          trigger=trigger.Repeatedly(trigger.AfterCount(3)),
          accumulation_mode=trigger.AccumulationMode.DISCARDING))
