# SPDX-License-Identifier: Apache-2.0
"""Splittable DoFns and sources in Python."""

import apache_beam as beam
from apache_beam.io import iobase
from apache_beam.io.restriction_trackers import OffsetRange, OffsetRestrictionTracker
from apache_beam.io.watermark_estimators import ManualWatermarkEstimator
from apache_beam.transforms.core import RestrictionProvider
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Duration, Timestamp


class Numbers(RestrictionProvider):
  def initial_restriction(self, element):
    return OffsetRange(0, element)

  def create_tracker(self, restriction):
    return OffsetRestrictionTracker(restriction)

  def split(self, element, restriction):
    yield from restriction.split(max(1, restriction.size() // 3))

  def restriction_size(self, element, restriction):
    return restriction.size()


class Offsets(beam.DoFn):
  def process(self, element, tracker=beam.DoFn.RestrictionParam(Numbers())):
    position = tracker.current_restriction().start
    while tracker.try_claim(position):
      yield position
      position += 1


def offsets(pcoll):
  return pcoll | beam.ParDo(Offsets()).with_output_types(int)


class Whole(Numbers):
  def split(self, element, restriction):
    yield restriction


class Endless(beam.DoFn):
  """Gives one number a bundle, says when the next comes, and moves the watermark itself."""

  @beam.DoFn.unbounded_per_element()
  def process(
      self,
      element,
      tracker=beam.DoFn.RestrictionParam(Whole()),
      estimator=beam.DoFn.WatermarkEstimatorParam(
          ManualWatermarkEstimator.default_provider())):
    position = tracker.current_restriction().start
    if not tracker.try_claim(position):
      return
    yield TimestampedValue(position, Timestamp(position))
    estimator.set_watermark(Timestamp(position))
    tracker.defer_remainder(Duration(micros=1000))


def endless(pcoll):
  return pcoll | beam.ParDo(Endless()).with_output_types(int)


class Backwards(beam.DoFn):
  @beam.DoFn.unbounded_per_element()
  def process(
      self,
      element,
      tracker=beam.DoFn.RestrictionParam(Whole()),
      estimator=beam.DoFn.WatermarkEstimatorParam(
          ManualWatermarkEstimator.default_provider())):
    tracker.try_claim(0)
    estimator.set_watermark(Timestamp(10))
    estimator.set_watermark(Timestamp(5))
    yield element


def backwards(pcoll):
  return pcoll | beam.ParDo(Backwards()).with_output_types(int)


class Outside(beam.DoFn):
  def process(self, element, tracker=beam.DoFn.RestrictionParam(Whole())):
    tracker.try_claim(-1)
    yield element


def outside(pcoll):
  return pcoll | beam.ParDo(Outside()).with_output_types(int)


class Countdown(iobase.BoundedSource):
  """A source of Beam's older kind."""

  def estimate_size(self):
    return 30

  def get_range_tracker(self, start, stop):
    from apache_beam.io.range_trackers import OffsetRangeTracker
    return OffsetRangeTracker(start or 0, 30 if stop is None else stop)

  def split(self, bundle_size, start=None, stop=None):
    for at in range(0, 30, 10):
      yield iobase.SourceBundle(10, self, at, at + 10)

  def read(self, tracker):
    position = tracker.start_position()
    while tracker.try_claim(position):
      yield position
      position += 1


def countdown(root):
  return root | iobase.Read(Countdown()).with_output_types(int)


def created(root):
  return root | beam.Create(['a', 'b', 'c']) | beam.Reshuffle()
