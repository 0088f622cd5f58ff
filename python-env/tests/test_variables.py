# SPDX-License-Identifier: Apache-2.0
"""Variables of the process: which of them end with a job."""

import os
import pickle
import unittest
from typing import Any
from unittest import mock

from apache_beam.ml.inference import base
from apache_beam.portability.api import schema_pb2

from beambridge_host.inference.inference import run_inference
from beambridge_host.worker.variables import GIVEN
from tests.contexts import entered
from tests.test_columns import atomic
from tests.test_inference import schema

TEXT = atomic(schema_pb2.STRING)


class Sets(base.ModelHandler):
  """Was given a variable of its own; its code sets others."""

  def __init__(self) -> None:
    super().__init__(env_vars={'OF_HANDLER': 'given'})

  def set_environment_vars(self) -> None:
    super().set_environment_vars()
    os.environ.setdefault('OF_CODE', 'set')

  def load_model(self) -> Any:
    return 'model'

  def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
    return batch


class OwnWay(Sets):
  """Keeps what it was given in a form of its own."""

  def __init__(self) -> None:
    super().__init__()
    self._env_vars = [('OF_HANDLER', 'given')]

  def set_environment_vars(self) -> None:
    os.environ.update(self._env_vars)


class VariablesTest(unittest.TestCase):

  def setUp(self) -> None:
    entered(self, mock.patch.dict(os.environ, {'THERE': 'before'}))

  def found(self) -> list[Any]:
    return [os.environ.get(name) for name in ('OF_HANDLER', 'OF_TRANSFORM', 'THERE', 'OF_CODE')]

  def given(self, make: Any) -> None:
    variables = {'OF_TRANSFORM': 'given', 'THERE': 'given'}
    run_inference(make, schema(TEXT, TEXT), settings={'env_vars': variables})._handler.set_environment_vars()

  def test_those_that_a_handler_is_given_end_with_the_last_job_and_others_stay(self) -> None:
    with GIVEN.of_job():
      with GIVEN.of_job():
        for _ in range(2):
          self.given(Sets)
      self.assertEqual(self.found(), ['given', 'given', 'given', 'set'])
    self.assertEqual(self.found(), [None, None, 'before', 'set'])

  def test_a_handler_may_set_its_own_in_a_way_of_its_own(self) -> None:
    with GIVEN.of_job():
      self.given(OwnWay)
      self.assertEqual(self.found(), ['given', 'given', 'given', None])
    self.assertEqual(self.found(), ['given', None, 'before', None])


class CopiesTest(unittest.TestCase):
  def test_a_copy_of_the_module_that_was_pickled_takes_note_in_the_one_of_the_process(self) -> None:
    self.assertIs(pickle.loads(pickle.dumps(GIVEN)), GIVEN)


if __name__ == '__main__':
  unittest.main()
