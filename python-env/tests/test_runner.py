# SPDX-License-Identifier: Apache-2.0
"""How a job is cut into stages, and when its timers fire."""

import math
import unittest
from typing import Any

import apache_beam as beam
from apache_beam.io.restriction_trackers import OffsetRange, OffsetRestrictionTracker
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability import python_urns
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.transforms.environments import EmbeddedPythonEnvironment
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import TimerSpec, on_timer
from apache_beam.transforms.window import GlobalWindow

from beambridge_host.host.runner import Cancellation, HostRunner


def two_languages() -> beam_runner_api_pb2.Pipeline:
  """A flatten in front of a grouping, beside environments of the host's and of another SDK."""
  pipeline = beam.Pipeline()
  parts = [pipeline | f'Create{i}' >> beam.Create([('k', i)]) for i in range(2)]
  parts | beam.Flatten() | beam.GroupByKey()  # pylint: disable=expression-not-assigned
  proto = pipeline.to_runner_api()
  theirs = beam_runner_api_pb2.Environment(urn='beam:env:external:v1')
  (used,) = proto.components.environments
  proto.components.environments[used].CopyFrom(theirs)
  # Sorts before the other.
  proto.components.environments['a'].urn = python_urns.EMBEDDED_PYTHON
  return proto


class StagesTest(unittest.TestCase):
  def test_a_stage_that_names_no_environment_runs_in_the_other_sdk(self) -> None:
    proto = two_languages()
    (other,) = (name for name in proto.components.environments if name != 'a')
    _, stages = HostRunner(None, Cancellation()).create_stages(proto)

    def has(stage: Any, part: str) -> bool:
      return any(part in transform.unique_name for transform in stage.transforms)

    self.assertTrue(any(has(stage, 'Flatten/Read') for stage in stages))
    self.assertEqual({stage.environment for stage in stages}, {other})


SEEN: list[str] = []


class InTurns(beam.DoFn):
  """Three outputs for each element, each in a turn of its own."""

  class Ranges(beam.transforms.core.RestrictionProvider):
    def initial_restriction(self, element: Any) -> OffsetRange:
      return OffsetRange(0, 3)

    def create_tracker(self, restriction: OffsetRange) -> OffsetRestrictionTracker:
      return OffsetRestrictionTracker(restriction)

    def restriction_size(self, element: Any, restriction: OffsetRange) -> int:
      return restriction.size()

  def process(self, element: Any, tracker: Any = beam.DoFn.RestrictionParam(Ranges())) -> Any:
    position = tracker.current_restriction().start
    if tracker.try_claim(position):
      yield 'key', position
      tracker.defer_remainder()


class AtTheEnd(beam.DoFn):
  END = TimerSpec('end', TimeDomain.WATERMARK)
  FIRST = TimerSpec('first', TimeDomain.WATERMARK)

  def process(self, element: Any, end: Any = beam.DoFn.TimerParam(END), first: Any = beam.DoFn.TimerParam(FIRST)) -> None:
    SEEN.append(f'element {element[1]}')
    end.set(GlobalWindow().max_timestamp())
    if element[1] == 0:
      first.set(GlobalWindow().max_timestamp())
    if element[1] == 2:
      first.clear()

  @on_timer(END)
  def at_end(self) -> None:
    SEEN.append('end')

  @on_timer(FIRST)
  def at_first(self) -> None:
    SEEN.append('first')


class TimersTest(unittest.TestCase):
  def test_timers_that_several_bundles_set_fire_once_after_all_elements_or_not_where_one_was_taken_back(self) -> None:
    pipeline = beam.Pipeline()
    pipeline | beam.Create(['x']) | beam.ParDo(InTurns()) | beam.ParDo(AtTheEnd())  # pylint: disable=expression-not-assigned
    proto = pipeline.to_runner_api(default_environment=EmbeddedPythonEnvironment.default())
    SEEN.clear()
    HostRunner(None, Cancellation()).run_via_runner_api(proto, PipelineOptions()).wait_until_finish()
    self.assertEqual(SEEN, ['element 0', 'element 1', 'element 2', 'end'])


class AtTheEndOfAnyKey(beam.DoFn):
  END = TimerSpec('end', TimeDomain.WATERMARK)

  def process(self, _: Any, end: Any = beam.DoFn.TimerParam(END)) -> None:
    end.set(GlobalWindow().max_timestamp())

  @on_timer(END)
  def at_end(self, key: Any = beam.DoFn.KeyParam) -> None:
    SEEN.append(repr(key))


class KeysOfTimersTest(unittest.TestCase):
  def test_timers_of_keys_that_are_not_equal_to_themselves_fire(self) -> None:
    for keys in ([math.nan, 1.5], [('a', math.nan), ('b', 1.0)]):
      with self.subTest(keys=keys):
        pipeline = beam.Pipeline()
        pipeline | beam.Create([(key, 0) for key in keys]) | beam.ParDo(AtTheEndOfAnyKey())  # pylint: disable=expression-not-assigned
        proto = pipeline.to_runner_api(default_environment=EmbeddedPythonEnvironment.default())
        SEEN.clear()
        HostRunner(None, Cancellation()).run_via_runner_api(proto, PipelineOptions()).wait_until_finish()
        self.assertEqual(sorted(SEEN), sorted(map(repr, keys)))


class OnceAndAtTheEnd(beam.DoFn):
  END = TimerSpec('end', TimeDomain.WATERMARK)

  def process(self, element: Any, end: Any = beam.DoFn.TimerParam(END)) -> Any:
    end.set(GlobalWindow().max_timestamp())
    yield 'k', 'element'

  @on_timer(END)
  def at_end(self) -> Any:
    yield 'k', 'timer'


def both(_: Any, listed: Any, mapped: Any) -> None:
  SEEN.append(f"{sorted(listed)} {sorted(mapped['k'])}")


class SideInputsTest(unittest.TestCase):
  def test_what_several_bundles_gave_is_there_once(self) -> None:
    for has_other_reader in (False, True):
      with self.subTest(has_other_reader=has_other_reader):
        pipeline = beam.Pipeline()
        given = pipeline | beam.Create([('key', 1)]) | beam.ParDo(OnceAndAtTheEnd())
        if has_other_reader:
          given | beam.GroupByKey()  # pylint: disable=expression-not-assigned
        pipeline | 'Main' >> beam.Create([0]) | beam.Map(  # pylint: disable=expression-not-assigned
            both, beam.pvalue.AsList(given), beam.pvalue.AsMultiMap(given))
        proto = pipeline.to_runner_api(default_environment=EmbeddedPythonEnvironment.default())
        SEEN.clear()
        HostRunner(None, Cancellation()).run_via_runner_api(proto, PipelineOptions()).wait_until_finish()
        self.assertEqual(SEEN, ["[('k', 'element'), ('k', 'timer')] ['element', 'timer']"])


if __name__ == '__main__':
  unittest.main()
