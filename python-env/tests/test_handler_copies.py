# SPDX-License-Identifier: Apache-2.0
"""What those who share a model know of it, each with a handler of its own: what loading has set, however it did."""

import gc
import threading
import time
import unittest
import uuid
from concurrent import futures
from typing import Any

from apache_beam.internal import pickler
from apache_beam.ml.inference import base
from apache_beam.portability.api import schema_pb2

from beambridge_host.inference.inference import run_inference
from beambridge_host.inference.model_cache import Models, Plan, Source
from beambridge_host.wire.columns import prefixed
from tests.test_columns import atomic
from tests.test_inference import KEYS, batch, inferences, schema
from tests.test_model_cache import Remembers


class Labels(base.ModelHandler):
  """Reads its labels beside its model, into a dict that it has."""

  def __init__(self, word: Any = None) -> None:
    super().__init__()
    self.path, self.labels, self.word = 'own', {}, word

  def update_model_path(self, model_path: Any = None) -> None:
    self.path = model_path

  def load_model(self) -> Any:
    self.labels.clear()
    self.labels[0] = f'label of {self.path}'
    return f'model {self.path}'

  def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
    return [f'{model}: {self.labels.get(0)}{self.word() if self.word else ""}'] * len(batch)


class Around(base.ModelHandler):
  """Has another handler do it all."""

  def __init__(self) -> None:
    super().__init__()
    self.inner = Remembers()

  def update_model_path(self, model_path: Any = None) -> None:
    self.inner.update_model_path(model_path)

  def load_model(self) -> Any:
    return self.inner.load_model()

  def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
    return self.inner.run_inference(batch, model, inference_args)


class Locked(Labels):
  """Cannot be copied once it has loaded its model."""

  def load_model(self) -> Any:
    self.lock = threading.Lock()
    return super().load_model()


class Large:
  """A model of which there must be one."""

  def __init__(self) -> None:
    self.weights = threading.Lock()

  def __deepcopy__(self, memo: Any) -> Any:
    raise AssertionError('copied')


class Record(dict):

  def __getattr__(self, name: str) -> Any:
    return self[name]


class OfRecord(base.ModelHandler):
  """Its model has no attributes but those it was made with."""

  def load_model(self) -> Any:
    return Record(word='word')

  def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
    return [model.get('word')] * len(batch)


class Keeps(base.ModelHandler):
  """Knows its model, and what is in it; keeps the rows of a call while it works."""

  def load_model(self) -> Any:
    self.model = Large()
    self.weights = self.model.weights
    self.rows: list[Any] = []
    return self.model

  def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
    assert model is self.model and model.weights is self.weights
    self.rows.clear()
    for row in batch:
      self.rows.append(row)
      time.sleep(0)
    return list(self.rows)


class KeepsLocked(Keeps):
  """Has loaded what cannot be copied."""

  def load_model(self) -> Any:
    self.lock = threading.Lock()
    return super().load_model()


class Way:
  """How a model is asked."""

  def __init__(self, name: str) -> None:
    self.name = name


class Asks(base.ModelHandler):
  """Has a way of its own, and a method that is bound to it."""

  def __init__(self, way: str) -> None:
    super().__init__()
    self.way, self.call = Way(way), self._call

  def load_model(self) -> Any:
    self.file = Open()
    return 'model'

  def _call(self, row: str) -> str:
    return f'{row} {self.prefix} {self.way.name} {self.file.is_open}'

  def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
    self.prefix = f'by {self.way.name}'
    return [self.call(row) for row in batch]


class Open:
  """Closes for all when one of it goes."""

  shut: set[str] = set()

  def __init__(self) -> None:
    self.name = uuid.uuid4().hex

  @property
  def is_open(self) -> bool:
    return self.name not in self.shut

  def __del__(self) -> None:
    self.shut.add(self.name)


class Lazily(Remembers):
  """One of a model per key."""

  def __init__(self, name: str) -> None:
    super().__init__()
    self.path = name


def per_key() -> Any:
  return base.KeyedModelHandler([base.KeyModelMapping(['a'], Lazily('A')), base.KeyModelMapping(['b'], Lazily('B'))])


def per_key_inside() -> Any:
  inside = per_key()
  inside.override_metrics('test')  # Which Beam's wrapper does not pass on.
  return inside.with_postprocess_fn(lambda result: (result[0], result[1].upper()))


TEXT = atomic(schema_pb2.STRING)


class WhatLoadingSetTest(unittest.TestCase):
  """All who share a model know all that loading it has set, of this model and no other."""

  def handlers(self, make: Any, count: int, keys: Any = b'', name: str = '') -> list[Any]:
    settings = {'model_identifier': name or uuid.uuid4().hex}
    transform = run_inference(make, schema(TEXT, TEXT), *([keys] if keys else []), settings=settings)
    handlers = [pickler.loads(pickler.dumps(transform._handler)) for _ in range(count)]
    for handler in handlers:
      handler.override_metrics('test')
    return handlers

  def told(self, handler: Any, models: Any, rows: list[str], keys: Any = None, update: str = '') -> list[Any]:
    updates = prefixed(update.encode()) + prefixed(b'') if update else b''
    answers = list(handler.run_inference([batch(TEXT, rows, keys, updates)], models))
    return inferences(TEXT.SerializeToString(), answers[0])

  def test_in_what_the_handler_holds(self) -> None:
    for make in (Labels, Locked):
      with self.subTest(make.__name__):
        handlers = self.handlers(make, 3)
        models = handlers[0].load_model()
        for path in ('', 'new', 'newer', ''):
          expected = f'model {path or "own"}: label of {path or "own"}'
          self.assertEqual([self.told(each, models, ['a'], update=path) for each in handlers], [[expected]] * 3)

  def test_on_another_handler_inside(self) -> None:
    handlers = self.handlers(Around, 2)
    models = handlers[0].load_model()
    for path in ('', 'new'):
      expected = f'1 from {path or "own"}, loaded {path or "own"}'
      self.assertEqual([self.told(each, models, ['a'], update=path) for each in handlers], [[expected]] * 2)

  def test_at_the_first_call_of_a_model_per_key(self) -> None:
    for make in (per_key, per_key_inside):
      with self.subTest(make.__name__):
        handlers = self.handlers(make, 2, KEYS)
        models = [handler.load_model() for handler in handlers]
        for count in (1, 2):
          expected = [f'{count} from {name}, loaded {name}' for name in 'AB']
          found = [self.told(each, models[0], ['x', 'y'], ['a', 'b']) for each in handlers]
          self.assertEqual(found, [expected if make is per_key else [text.upper() for text in expected]] * 2)

  def test_transforms_that_share_a_model_keep_their_own_functions(self) -> None:
    name = uuid.uuid4().hex
    handlers = [self.handlers(lambda word=word: Labels(word), 1, name=name)[0] for word in (lambda: ', one', lambda: ', two')]
    models = [handler.load_model() for handler in handlers]
    self.assertIs(*models)
    for path in ('own', 'new'):
      expected = [[f'model {path}: label of {path}, {word}'] for word in ('one', 'two')]
      update = '' if path == 'own' else path
      self.assertEqual([self.told(each, models[0], ['a'], update=update) for each in handlers], expected)

  def test_a_model_for_all_processes_may_raise_what_it_likes_for_attributes(self) -> None:
    models = Models(Plan(uuid.uuid4().hex, None, shared=True), lambda handler, model: None)
    handler = OfRecord()
    self.assertEqual(list(models.get(Source(0, ''), handler).infer(handler, ['a'], None, None)), ['word'])

  def test_each_has_its_own_settings_and_all_have_the_very_things_that_loading_set(self) -> None:
    name = uuid.uuid4().hex
    handlers = [self.handlers(lambda way=way: Asks(way), 1, name=name)[0] for way in ('one', 'two')]
    models = [handler.load_model() for handler in handlers]
    found = [self.told(each, models[0], ['a']) for each in handlers]
    del handlers[1]
    gc.collect()
    found.append(self.told(handlers[0], models[0], ['b']))
    self.assertEqual(found, [['a by one one True'], ['a by two two True'], ['b by one one True']])

  def test_threads_mix_no_rows_and_copy_no_model(self) -> None:
    for make in (Keeps, KeepsLocked):
      with self.subTest(make.__name__):
        handlers = self.handlers(make, 4)
        models = handlers[0].load_model()

        def score(number: int, handlers: Any = handlers, models: Any = models) -> int:
          batches = [[f'{number} {call} {row}' for row in range(20)] for call in range(25)]
          return sum(self.told(handlers[number], models, rows) != rows for rows in batches)

        with futures.ThreadPoolExecutor(4) as pool:
          self.assertEqual(list(pool.map(score, range(4))), [0] * 4)


if __name__ == '__main__':
  unittest.main()
