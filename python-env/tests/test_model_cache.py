# SPDX-License-Identifier: Apache-2.0
"""Which models are kept, and what is remembered of those that could not be loaded."""

import collections
import logging
import os
import tempfile
import unittest
import uuid
from unittest import mock
from typing import Any

from apache_beam.internal import pickler
from apache_beam.ml.inference import base
from apache_beam.portability.api import schema_pb2

from beambridge_host.inference.inference import run_inference
from beambridge_host.inference import kept_files
from beambridge_host.inference.handlers_of_one import Handlers
from beambridge_host.inference.kept_files import fingerprint
from beambridge_host.inference.model_cache import Models, Plan
from beambridge_host.inference.scoring import Route
from beambridge_host.wire.columns import prefixed
from tests.contexts import entered
from tests.test_columns import atomic
from tests.test_inference import batch, inferences, schema


# The files that were tried, by the name of who did.
TRIES: dict[str, list[str]] = collections.defaultdict(list)


class FromFile(base.ModelHandler):
  """Its model is what a file holds, if that is not bad."""

  def __init__(self, bad: str = 'bad') -> None:
    super().__init__()
    self.path, self._bad, self._name = '', bad, uuid.uuid4().hex

  @property
  def tries(self) -> list[str]:
    return TRIES[self._name]

  def update_model_path(self, model_path: Any = None) -> None:
    self.path = model_path

  def load_model(self) -> Any:
    self.tries.append(self.path)
    with open(self.path, encoding='utf-8') as file:
      text = file.read()
    if text == self._bad:
      raise ValueError(text)
    return text

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

    handlers = Handlers('made', [Route(handler, handler, False)] * 2, True)
    return self.models.latest(route, [self.new, self.old], handlers, failed)[0].model

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

  def test_another_model_at_the_path_of_one_that_goes_on_is_said_once(self) -> None:
    self.write(self.new, 'new')
    handler = FromFile()
    self.assertEqual(self.latest(handler), 'new')
    self.write(self.new, 'newer')
    self.addCleanup(logging.disable, logging.root.manager.disable)
    logging.disable(logging.NOTSET)
    with mock.patch.object(kept_files, '_LOOK_EVERY_S', 0.0):
      with self.assertLogs(kept_files.__name__, 'WARNING') as logs:
        self.assertEqual([self.latest(handler) for _ in range(3)], ['new'] * 3)
    self.assertEqual(len(logs.output), 1)
    self.assertIn(f'The model at {self.new} is another one now', logs.output[0])

  def test_a_folder_is_told_by_its_files(self) -> None:
    folder = entered(self, tempfile.TemporaryDirectory())
    os.mkdir(os.path.join(folder, 'inner'))
    before = fingerprint(folder)
    self.write(os.path.join(folder, 'inner', 'a'), 'x')
    self.assertNotEqual(fingerprint(folder), before)
    self.assertEqual(fingerprint('gs://bucket/model'), [])


class Remembers(base.ModelHandler):
  """Predicts how many rows it was ever given, from where, and what it set when it loaded the model."""

  def __init__(self) -> None:
    super().__init__()
    self.path, self.rows = 'own', []

  def update_model_path(self, model_path: Any = None) -> None:
    self.path = model_path

  def load_model(self) -> Any:
    self.word = f'loaded {self.path}'
    return 'model'

  def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
    self.rows.extend(batch)
    return [f'{len(self.rows)} from {self.path}, {self.word}'] * len(batch)


class SharedModelTest(unittest.TestCase):
  """Who shares a model shares no handler: it may keep the rows of a call."""

  def score(self, updates: bytes = b'') -> list[Any]:
    text = atomic(schema_pb2.STRING)
    transform = run_inference(Remembers, schema(text, text), settings={'model_identifier': uuid.uuid4().hex, 'model_updates': True})
    # As a process has them, one for each thread.
    handlers = [pickler.loads(pickler.dumps(transform._handler)) for _ in range(2)]
    models = [handler.load_model() for handler in handlers]
    self.assertIs(*models)

    def told(handler: Any, rows: list[str]) -> Any:
      answers = list(handler.run_inference([batch(text, rows, updates=updates)], models[0]))
      return inferences(text.SerializeToString(), answers[0])[0]

    return [told(handlers[0], ['a', 'b']), told(handlers[1], ['c']), told(handlers[0], ['d'])]

  def test_each_has_its_own_handler_that_knows_what_loading_set(self) -> None:
    self.assertEqual(self.score(), [f'{count} from own, loaded own' for count in (2, 1, 3)])

  def test_of_a_model_update_too(self) -> None:
    update = prefixed(b'new') + prefixed(b'')
    self.assertEqual(self.score(update), [f'{count} from new, loaded new' for count in (2, 1, 3)])


if __name__ == '__main__':
  unittest.main()
