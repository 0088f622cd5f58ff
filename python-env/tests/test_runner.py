# SPDX-License-Identifier: Apache-2.0
"""How a job is cut into stages."""

import unittest
from typing import Any

import apache_beam as beam
from apache_beam.portability import python_urns
from apache_beam.portability.api import beam_runner_api_pb2

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


if __name__ == '__main__':
  unittest.main()
