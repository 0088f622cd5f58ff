# SPDX-License-Identifier: Apache-2.0
"""Which models are kept, and what is remembered of those that could not be loaded."""

import os
import tempfile
import unittest
import uuid
from typing import Any

from apache_beam.ml.inference import base

from beambridge_host.inference.model_cache import Models, Plan, fingerprint
from tests.contexts import entered


class FromFile(base.ModelHandler):
  """Its model is what a file holds, if that is not bad."""

  def __init__(self, bad: str = 'bad') -> None:
    super().__init__()
    self.path, self._bad, self.tries = '', bad, []

  def update_model_path(self, model_path: Any = None) -> None:
    self.path = model_path

  def load_model(self) -> Any:
    self.tries.append(self.path)
    with open(self.path, encoding='utf-8') as file:
      text = file.read()
    if text == self._bad:
      raise ValueError(text)
    return text

  def __deepcopy__(self, memo: Any) -> 'FromFile':
    copied = FromFile(self._bad)
    copied.tries = self.tries
    return copied

  def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
    return batch


class FailedUpdatesTest(unittest.TestCase):

  def setUp(self) -> None:
    folder = entered(self, tempfile.TemporaryDirectory())
    self.new, self.old = os.path.join(folder, 'new'), os.path.join(folder, 'old')
    self.write(self.new, 'bad')
    self.write(self.old, 'old')
    self.models = Models(Plan(uuid.uuid4().hex, None), lambda handler, model: None)
    self.failures = 0

  def write(self, path: str, text: str) -> None:
    with open(path, 'w', encoding='utf-8') as file:
      file.write(text)

  def latest(self, handler: FromFile, route: int = 0) -> str:

    def failed() -> None:
      self.failures += 1

    return self.models.latest(route, [self.new, self.old], handler, failed).model

  def test_one_that_could_not_be_loaded_is_not_tried_at_every_batch(self) -> None:
    handler = FromFile()
    self.assertEqual([self.latest(handler) for _ in range(3)], ['old'] * 3)
    self.assertEqual(handler.tries, [self.new, self.old])
    self.assertEqual(self.failures, 1)

  def test_a_file_that_was_repaired_is_loaded_at_once(self) -> None:
    handler = FromFile()
    self.assertEqual(self.latest(handler), 'old')
    self.write(self.new, 'new')
    self.assertEqual(self.latest(handler), 'new')
    self.assertEqual(self.failures, 1)

  def test_a_file_that_came_later_is_loaded_at_once(self) -> None:
    handler = FromFile()
    os.unlink(self.new)
    self.assertEqual(self.latest(handler), 'old')
    self.write(self.new, 'new')
    self.assertEqual(self.latest(handler), 'new')

  def test_what_one_handler_cannot_load_another_may(self) -> None:
    self.assertEqual(self.latest(FromFile()), 'old')
    other = FromFile('something else')
    self.assertEqual(self.latest(other, route=1), 'bad')
    self.assertEqual(other.tries, [self.new])

  def test_a_model_that_is_loaded_stays_when_its_file_goes(self) -> None:
    self.write(self.new, 'new')
    handler = FromFile()
    self.assertEqual(self.latest(handler), 'new')
    os.unlink(self.new)
    self.assertEqual(self.latest(handler), 'new')

  def test_a_folder_is_told_by_its_files(self) -> None:
    folder = entered(self, tempfile.TemporaryDirectory())
    os.mkdir(os.path.join(folder, 'inner'))
    before = fingerprint(folder)
    self.write(os.path.join(folder, 'inner', 'a'), 'x')
    self.assertNotEqual(fingerprint(folder), before)
    self.assertEqual(fingerprint('gs://bucket/model'), [])


if __name__ == '__main__':
  unittest.main()
