# SPDX-License-Identifier: Apache-2.0
"""Who shares a model, and what the handlers of those who do know of it: what loading has set, however it did."""

import collections
import enum
import functools
import gc
import hashlib
import operator
import pathlib
import random
import re
import tempfile
import threading
import time
import types
import unittest
import uuid
import weakref
from concurrent import futures
from typing import Any, Optional
from unittest import mock

import numpy as np
from apache_beam.internal import pickler
from apache_beam.metrics.metric import Metrics
from apache_beam.ml.inference import base
from apache_beam.portability.api import schema_pb2
from apache_beam.utils.python_callable import PythonCallableWithSource

from beambridge_host.errors import BridgeError
from beambridge_host.inference.batching import BatchSizes
from beambridge_host.inference.inference import run_inference
from beambridge_host.inference.handler_state import State, _Looking
from beambridge_host.inference.handlers_of_one import Handlers, Source
from beambridge_host.inference.model_cache import Models, Plan
from beambridge_host.inference.models import UnusableModel
from beambridge_host.inference.scoring import Route
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


class Base(base.ModelHandler):
  """Its path is all that it knows of a model update."""

  def __init__(self) -> None:
    super().__init__()
    self.path = 'own'

  def update_model_path(self, model_path: Any = None) -> None:
    self.path = model_path

  def load_model(self) -> Any:
    return f'model {self.path}'


class ClearedCache(Base):
  """Keeps what it said of a row, until its model is another."""

  def __init__(self) -> None:
    super().__init__()
    self.cache: dict[str, str] = {}

  def load_model(self) -> Any:
    self.cache.clear()
    return super().load_model()

  def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
    return [self.cache.setdefault(row, f'{row} by {model}') for row in batch]


class Bound(Base):
  """Calls itself by a method, a partial and a function that it was made with or that loading made."""

  def __init__(self) -> None:
    super().__init__()
    self.method, self.function = self.say, lambda row: self.say(row)

  def load_model(self) -> Any:
    self.partial, self.later = functools.partial(self.say), self.say
    return super().load_model()

  def say(self, row: str) -> str:
    return f'{self.row}{row} {self.path}'

  def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
    out = []
    for row in batch:
      self.row = row
      out.append(', '.join([self.method(row), self.function(row), self.partial(row), self.later(row)]))
    return out


class Buffers(Base):
  """Has loading make what a call then fills."""

  def load_model(self) -> Any:
    self.rows = np.zeros(64, object)
    self.lists = (collections.defaultdict(list), types.SimpleNamespace(rows=[]))
    return super().load_model()

  def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
    by_name, space = self.lists
    by_name.clear()
    space.rows.clear()
    for place, row in enumerate(batch):
      self.rows[place] = row
      by_name['rows'].append(row)
      space.rows.append(row)
      time.sleep(0)
    return [f'{a}{b}{c}' for a, b, c in zip(self.rows, by_name['rows'], space.rows)]


class Closes:
  """Is of no use any more once somebody has pickled or copied it."""

  open = True

  def __getstate__(self) -> Any:
    self.open = False
    return {}


class KeepsOpen(Base):
  """Was given what loading opens."""

  def __init__(self) -> None:
    super().__init__()
    self.store: Any = None

  def load_model(self) -> Any:
    self.store = self.store or Closes()
    return super().load_model()

  def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
    return [f'{row} {self.store.open}' for row in batch]


class Unreadable(Base):
  """Was given names by what nobody can look into, or pickle by value."""

  def __init__(self) -> None:
    super().__init__()
    self.names: Any = collections.defaultdict(lambda: 'unknown')

  def load_model(self) -> Any:
    self.names['a'] = f'Apple {self.path}'
    return super().load_model()

  def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
    return [self.names[row] for row in batch]


class Slotted(Base):
  """Keeps what loading sets in no dict."""

  __slots__ = ('word',)

  def load_model(self) -> Any:
    self.word = f'word of {self.path}'
    return super().load_model()

  def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
    return [self.word for _ in batch]


class Plain(Base):
  """Loading sets plain values on it."""

  loads = 0

  def load_model(self) -> Any:
    Plain.loads += 1
    self.width, self.names = 5, ('a', 'b')
    return super().load_model()

  def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
    return [f'{row} {self.width} {self.names}' for row in batch]


class Unchanged(Base):
  """Loading leaves it as it was."""

  loads = 0

  def load_model(self) -> Any:
    Unchanged.loads += 1
    return super().load_model()

  def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
    return [f'{row} {model}' for row in batch]


class FailsOnce(Base):
  """Cannot load its model at the first attempt, which leaves something behind."""

  fails: set[str] = set()

  def __init__(self) -> None:
    super().__init__()
    self.name, self.width = uuid.uuid4().hex, 1

  def load_model(self) -> Any:
    self.width = 5
    if self.name not in self.fails:
      self.fails.add(self.name)
      raise OSError('not yet')
    return super().load_model()

  def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
    return [f'{row} {self.width}' for row in batch]


class Instruments(Base):
  """Was given what counts, draws and computes, and has loading import a module."""

  loads = 0

  def __init__(self) -> None:
    super().__init__()
    self.seen, self.random, self.compute = Metrics.counter('test', 'seen'), random.Random(1), np.tanh
    self.pick = operator.itemgetter(0)

  def load_model(self) -> Any:
    Instruments.loads += 1
    self.numpy = np
    return super().load_model()

  def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
    return [f'{row} {self.compute(0.0)} {self.numpy.pi:.2f}' for row in batch]


def two_functions() -> Any:
  """A pair that has something in common: what the first fills, the second reads."""
  labels: dict[str, str] = {}

  def load() -> None:
    labels.update(a='Apple')

  return load, lambda row: labels.get(row, 'unknown')


class ByFunctions(Base):
  """Is made of functions, which know each other and it does not."""

  def __init__(self, way: str = 'closure') -> None:
    super().__init__()
    if way == 'closure':
      self.load, self.say = two_functions()
    elif way == 'partial':
      labels: dict[str, str] = {}
      self.load, self.say = functools.partial(_fill, labels), functools.partial(_read, labels)
    else:
      labels = {}
      self.load, self.say = functools.partial(_fill, labels), labels.get

  def load_model(self) -> Any:
    self.load()
    return super().load_model()

  def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
    return [str(self.say(row)) for row in batch]


def _fill(labels: dict[str, str]) -> None:
  labels.update(a='Apple')


def _read(labels: dict[str, str], row: str) -> str:
  return labels.get(row, 'unknown')


class Filled(Base):
  """Has something in it that does not show what loading puts there, or what comes of it."""

  def __init__(self, way: str) -> None:
    super().__init__()
    self.way, self.kept = way, _MADE[way]()

  def __getstate__(self) -> Any:
    # Not all of it can be pickled.
    return {**vars(self), 'kept': None}

  def __setstate__(self, state: Any) -> None:
    self.__dict__.update(state, kept=_MADE[state['way']]())

  def load_model(self) -> Any:
    _FILLED[self.way](self.kept)
    return super().load_model()

  def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
    return [str(_SAID[self.way](self.kept, row)) for row in batch]


def _remembering() -> Any:
  labels: dict[str, str] = {}

  @functools.lru_cache(None)
  def look(row: str) -> str:
    return labels.get(row, 'unknown')

  return look, functools.partial(_fill, labels)


def _apple() -> str:
  return 'Apple'


def _unknown() -> str:
  return 'unknown'


_MADE: dict[str, Any] = {
    'random': random.Random,
    'generator': np.random.default_rng,
    'random state': np.random.RandomState,
    'default': lambda: collections.defaultdict(_unknown),
    'module': lambda: types.ModuleType('labels'),
    'static method': lambda: staticmethod(functools.partial(_read, {})),
    'method caller': lambda: operator.methodcaller('translate', {}),
    'cached': _remembering,
    'nested': lambda: [{'labels': {}}],
}
_FILLED: dict[str, Any] = {
    'random': lambda kept: kept.seed(42),
    'generator': lambda kept: setattr(kept.bit_generator, 'state', np.random.default_rng(42).bit_generator.state),
    'random state': lambda kept: kept.seed(42),
    'default': lambda kept: setattr(kept, 'default_factory', _apple),
    'module': lambda kept: setattr(kept, 'labels', {'a': 'Apple'}),
    'static method': lambda kept: _fill(kept.__func__.args[0]),
    'method caller': lambda kept: kept.__reduce__()[1][1].update({ord('a'): 'Apple'}),
    'cached': lambda kept: kept[1](),
    'nested': lambda kept: kept[0]['labels'].update(a='Apple'),
}
_SAID: dict[str, Any] = {
    'random': lambda kept, row: kept.random(),
    'generator': lambda kept, row: kept.random(),
    'random state': lambda kept, row: kept.random_sample(),
    'default': lambda kept, row: kept[row],
    'module': lambda kept, row: kept.labels[row],
    'static method': lambda kept, row: kept.__func__(row),
    'method caller': lambda kept, row: kept(row),
    'cached': lambda kept, row: kept[0](row),
    'nested': lambda kept, row: kept[0]['labels'].get(row),
}


class OfFile(Base):
  """Is made of functions that name what their file has."""

  def __init__(self) -> None:
    super().__init__()
    space: dict[str, Any] = {'__name__': 'a_file_of_the_user'}
    exec(  # pylint: disable=exec-used
        'labels = {}\n'
        'def parts():\n'
        '  load = lambda: [labels.update(a=word) for word in ["Apple"]]\n'
        '  return load, lambda row: labels.get(row, "unknown")\n', space)
    self.load, self.say = space['parts']()

  def load_model(self) -> Any:
    self.load()
    return super().load_model()

  def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
    return [self.say(row) for row in batch]


class HasFunction(Base):
  """Was given a function that knows nothing of it, and much to look through."""

  loads = 0

  def __init__(self) -> None:
    super().__init__()
    self.say, self.kind = _read, Optional[int]
    self.words, self.pairs = {f'word {number}': number for number in range(1000)}, [(1, 'one'), (2, 'two')]

  def load_model(self) -> Any:
    HasFunction.loads += 1
    return super().load_model()

  def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
    return [self.say({}, row) for row in batch]


class FromFile(Base):
  """Keeps its model's text on itself; a row may take long."""

  def load_model(self) -> Any:
    self.text = [pathlib.Path(self.path).read_text()]
    return self.text[0]

  def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
    time.sleep(1 if 'slow' in batch else 0)
    return [f'{row} by {model}' for row in batch]


class KeepsOfUpdates(Base):
  """Keeps something of its model updates on itself, and nothing of its own model."""

  def load_model(self) -> Any:
    if self.path != 'own':
      self.labels = {'a': self.path}
    return Large()

  def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
    return [self.path for _ in batch]


class Sometimes(Base):
  """Sets something for updates alone."""
  language = 'en'
  loads = 0

  def load_model(self) -> Any:
    Sometimes.loads += 1
    if self.path != 'own':
      self.language = f'that of {self.path}'
    return super().load_model()

  def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
    return [f'{row} {self.language}' for row in batch]


class Counts(Base):
  """Says how often it was loaded, and keeps its labels on itself."""

  loads = 0

  def load_model(self) -> Any:
    Counts.loads += 1
    self.labels = {'a': 'Apple'}
    return super().load_model()

  def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
    return [self.labels[row] for row in batch]


class Slow(Base):
  """Keeps the rows of a call, and goes on with them when nobody waits any more."""

  def __init__(self) -> None:
    super().__init__()
    self.rows: list[str] = []

  def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
    self.rows[:] = batch
    for _ in range(60 if batch[0] == 'slow' else 5):
      time.sleep(0.01)
      self.rows[:] = batch
    return list(self.rows)


TEXT = atomic(schema_pb2.STRING)


class Level(enum.IntEnum):
  """Does not say which it is."""
  LOW = 1
  HIGH = 2

  def __repr__(self) -> str:
    return 'Level'


class InSlots:
  """Has no dict."""
  __slots__ = ('first',)


class SlotsAndDict(Way, InSlots):
  """Has what it has in both."""


# Handlers of source text; each transform runs it for itself.
_TEXTS = {
    'global dict': ('LABELS = {}', 'LABELS.update(a="Apple")', 'LABELS.get(row)'),
    'global name': ('LABEL = None', 'global LABEL; LABEL = "Apple"', 'LABEL'),
    'by a function': ('LABELS = {}\ndef fill(): LABELS.update(a="Apple")', 'fill()', 'LABELS.get(row)'),
    'once': ('LABELS = {}\ndef fill(): return LABELS or LABELS.update(a="Apple")', 'fill()', 'LABELS.get(row)'),
    'class': ('', 'type(self).label = "Apple"', 'self.label'),
    'dict of the class': ('', 'self.labels.update(a="Apple")', 'self.labels.get(row)'),
    'class beside it': (
        'class Words:\n  all = {}\n  @classmethod\n  def fill(cls): cls.all.update(a="Apple")', 'Words.fill()', 'Words.all.get(row)'),
    'object of a class beside it': ('class Store: pass\nSTORE = Store()', 'STORE.label = "Apple"', 'getattr(STORE, "label", None)'),
    'nothing': ('LABELS = {"a": "Apple"}', 'pass', 'LABELS.get(row)'),
}
_TEXT = """
import threading
from apache_beam.ml.inference import base
{0}
LOCK = threading.Lock()
class Mine(base.ModelHandler):
  labels = {{}}
  label = None
  def load_model(self):
    {1}
    return 'model'
  def run_inference(self, batch, model, inference_args=None):
    with LOCK:
      return [str({2}) for row in batch]
Mine
"""


class WhatLoadingSetTest(unittest.TestCase):
  """All who share a model know all that loading it has set, of this model and no other."""

  def handlers(self, make: Any, count: int, keys: Any = b'', name: str = '', updates: bool = False) -> list[Any]:
    settings = {'model_identifier': name or uuid.uuid4().hex, 'model_updates': updates}
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
        handlers = self.handlers(make, 3, updates=True)
        models = handlers[0].load_model()
        for path in ('', 'new', 'newer', ''):
          expected = f'model {path or "own"}: label of {path or "own"}'
          self.assertEqual([self.told(each, models, ['a'], update=path) for each in handlers], [[expected]] * 3)

  def test_on_another_handler_inside(self) -> None:
    handlers = self.handlers(Around, 2, updates=True)
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
    handlers = [self.handlers(lambda word=word: Labels(word), 1, name=name, updates=True)[0] for word in (lambda: ', one', lambda: ', two')]
    models = [handler.load_model() for handler in handlers]
    self.assertIs(*models)
    for path in ('own', 'new'):
      expected = [[f'model {path}: label of {path}, {word}'] for word in ('one', 'two')]
      update = '' if path == 'own' else path
      self.assertEqual([self.told(each, models[0], ['a'], update=update) for each in handlers], expected)

  def test_a_model_for_all_processes_may_raise_what_it_likes_for_attributes(self) -> None:
    models = Models(Plan(uuid.uuid4().hex, None, shared=True), lambda handler, model: None)
    handler = OfRecord()
    loaded, _ = models.get(Source(0, ''), Handlers('made', [Route(handler, handler, False)], False))
    self.assertEqual(list(loaded.infer(handler, ['a'], None, None)), ['word'])

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

  def test_all_that_a_handler_may_do_gives_what_it_gives_alone(self) -> None:
    for make in (ClearedCache, Bound, Buffers, KeepsOpen, Unreadable, Slotted, Plain, Unchanged):
      handlers = self.handlers(make, 3, updates=True)
      models = handlers[0].load_model()
      for path in ('', 'new', 'newer', ''):
        with self.subTest(make.__name__, path=path):
          alone = make()
          if path:
            alone.update_model_path(path)
          model = alone.load_model()
          rows = [['a', 'b'], ['b', 'c'], ['c', 'a']]
          expected = [list(alone.run_inference(some, model)) for some in rows]
          self.assertEqual([self.told(each, models, some, update=path) for each, some in zip(handlers, rows)], expected)

  def test_threads_mix_no_rows_of_what_loading_made(self) -> None:
    handlers = self.handlers(Buffers, 4)
    models = handlers[0].load_model()

    def score(number: int) -> int:
      batches = [[f'{number}.{call}.{row} ' for row in range(20)] for call in range(10)]
      return sum(self.told(handlers[number], models, rows) != [row * 3 for row in rows] for rows in batches)

    with futures.ThreadPoolExecutor(4) as pool:
      self.assertEqual(list(pool.map(score, range(4))), [0] * 4)

  def test_a_model_is_loaded_once_for_all_that_loading_leaves_as_they_were(self) -> None:
    name = uuid.uuid4().hex
    Unchanged.loads = Plain.loads = Instruments.loads = 0
    # What loading sets there is the same for all, and is told to those of one transform.
    for make, right in ((Unchanged, 1), (Plain, 2), (Instruments, 2)):
      # Two transforms of two threads each. What loading sets is for those of one transform.
      handlers = [each for _ in range(2) for each in self.handlers(make, 2, name=f'{name} {make.__name__}')]
      models = handlers[0].load_model()
      self.assertEqual(len({tuple(self.told(each, models, ['a'])) for each in handlers}), 1)
      self.assertEqual(make.loads, right, make.__name__)

  def test_functions_are_looked_into(self) -> None:
    for way in ('closure', 'partial', 'method'):
      with self.subTest(way):
        name = uuid.uuid4().hex
        handlers = [self.handlers(lambda way=way: ByFunctions(way), 1, name=name)[0] for _ in range(2)]
        models = [handler.load_model() for handler in handlers]
        self.assertEqual([self.told(each, models[0], ['a']) for each in handlers], [['Apple']] * 2)

  def test_what_loading_changes_out_of_sight_is_known_to_all(self) -> None:
    for way in _MADE:
      with self.subTest(way):
        handlers = self.handlers(functools.partial(Filled, way), 3)
        models = handlers[0].load_model()
        alone = Filled(way)
        expected = list(alone.run_inference(['a'], alone.load_model()))
        self.assertEqual([self.told(each, models, ['a']) for each in handlers], [expected] * 3)

  def test_globals_that_are_pickled_with_functions_are_looked_into(self) -> None:
    handlers = self.handlers(OfFile, 3)
    models = handlers[0].load_model()
    self.assertEqual([self.told(each, models, ['a']) for each in handlers], [['Apple']] * 3)

  def test_functions_and_types_that_a_handler_was_given_keep_nobody_from_its_model(self) -> None:
    HasFunction.loads = 0
    handlers = self.handlers(HasFunction, 3)
    models = handlers[0].load_model()
    self.assertEqual([self.told(each, models, ['a']) for each in handlers], [['unknown']] * 3)
    self.assertEqual(HasFunction.loads, 1)
    handler = HasFunction()
    shared = Models(Plan(uuid.uuid4().hex, None, shared=True), lambda handler, model: None)
    shared.get(Source(0, ''), Handlers('made', [Route(handler, handler, False)], False))

  def test_the_rows_of_a_batch_have_one_model_though_a_call_was_given_up(self) -> None:
    with tempfile.TemporaryDirectory() as folder:
      own, update = pathlib.Path(folder, 'own'), pathlib.Path(folder, 'update')
      own.write_text('own')
      update.write_text('update')

      def make() -> Any:
        handler = FromFile()
        handler.path = str(own)
        return handler

      settings = {'model_identifier': uuid.uuid4().hex, 'model_updates': True, 'timeout_ms': 300}
      transform = run_inference(make, schema(TEXT, TEXT), settings=settings, dead_letters=True)
      handler = pickler.loads(pickler.dumps(transform._handler))
      models = handler.load_model()
      outcomes = []
      scored = handler._of_route
      handler._of_route = lambda *args: outcomes.append(scored(*args)) or outcomes[-1]
      updates = prefixed(str(update).encode()) + prefixed(b'')
      list(handler.run_inference([batch(TEXT, ['a', 'b'], None, updates)], models))
      update.unlink()
      handler._sizes[0] = BatchSizes({'max_batch_size': 2}, 1)
      list(handler.run_inference([batch(TEXT, ['slow', 'x', 'c', 'd'], None, updates)], models))
      found = [[getattr(each, 'model_id', 'failed') for each in rows] for rows in outcomes]
      self.assertEqual(found, [[str(update)] * 2, ['failed'] * 4])

  def test_a_model_that_nobody_comes_to_any_more_goes(self) -> None:
    handlers = self.handlers(KeepsOfUpdates, 2, updates=True)
    models = handlers[0].load_model()
    for each in handlers:
      self.told(each, models, ['a'])
    self.assertEqual([source.path for source, _ in models._loaded], [''])
    for each in handlers:
      self.told(each, models, ['a'], update='u1')
    self.assertEqual([source.path for source, _ in models._loaded], ['u1'] * 2)
    for each in handlers:
      self.assertEqual(self.told(each, models, ['a']), ['own'])

  def test_a_model_that_two_transforms_have_left_goes(self) -> None:
    name = uuid.uuid4().hex
    handlers = [self.handlers(Sometimes, 1, name=name, updates=True)[0] for _ in range(2)]
    models = [handler.load_model() for handler in handlers][0]
    for update, right in (('', ['']), ('u1', ['u1', 'u1'])):
      for each in handlers:
        self.told(each, models, ['a'], update=update)
      self.assertEqual([source.path for source, _ in models._loaded], right)
    # Each loads its own again, for itself.
    self.assertEqual([self.told(each, models, ['a']) for each in handlers], [['a en']] * 2)

  def test_a_model_stays_though_loading_sets_something_for_others_alone(self) -> None:
    Sometimes.loads = 0
    handlers = self.handlers(Sometimes, 2, updates=True)
    models = handlers[0].load_model()
    for update, right in [('', 'a en'), ('u1', 'a that of u1')] * 3:
      for each in handlers:
        self.assertEqual(self.told(each, models, ['a'], update=update), [right])
    # The handler's own a second time, when it was known that loading may set something.
    self.assertEqual(Sometimes.loads, 3)

  def test_a_bound_of_models_counts_those_of_each_who_has_its_own(self) -> None:
    models = Models(Plan(uuid.uuid4().hex, 2), lambda handler, model: None)
    Counts.loads = 0
    users = [Handlers(name, [Route(each, each, False) for each in (Counts(), Counts(), Counts())], False) for name in 'ab']
    for _ in range(5):
      for user in users:
        for route in (0, 1):
          models.get(Source(route, ''), user)
    self.assertEqual(Counts.loads, 4)
    for _ in range(2):
      models.get(Source(2, ''), users[0])
    self.assertEqual([Counts.loads, len(models._loaded)], [5, 4])

  def test_whoever_comes_later_takes_over_what_is_left(self) -> None:
    handlers = self.handlers(Keeps, 3)
    models = handlers[0].load_model()
    self.told(handlers[1], models, ['a'])
    weights = weakref.ref(next(iter(loaded.model for (_, whose), loaded in models._loaded.items() if whose is handlers[1]._handlers)))
    del handlers[1]
    gc.collect()
    self.assertEqual(self.told(handlers[1], models, ['b']), ['b'])
    self.assertEqual(len(models._loaded), 2)
    self.assertIsNotNone(weights())

  def test_an_attempt_that_failed_hides_nothing_that_loading_sets(self) -> None:
    handlers = self.handlers(FailsOnce, 2)
    with self.assertRaises(BridgeError):
      handlers[0].load_model()
    models = handlers[0].load_model()
    self.assertEqual([self.told(each, models, ['a']) for each in handlers], [['a 5']] * 2)

  def test_what_other_processes_would_not_see_is_refused(self) -> None:
    for make, names in ((Plain, 'names, width'), (Buffers, 'lists, rows')):
      models = Models(Plan(uuid.uuid4().hex, None, shared=True), lambda handler, model: None)
      handler = make()
      with self.assertRaisesRegex(UnusableModel, f'sets {names} on the handler'):
        models.get(Source(0, ''), Handlers('made', [Route(handler, handler, False)], False))

  def test_what_loading_puts_on_a_handler_is_not_looked_through(self) -> None:
    model = [{name: [name]} for name in range(1000)]

    def put(handler: Any) -> None:
      handler.new = handler.replaced = model
      handler.filled[0] = handler.inside.new = model

    handler = types.SimpleNamespace(replaced=[[0]], filled=[None], inside=types.SimpleNamespace(old=[0]), left=[{}], me=None)
    handler.me = handler
    state = State(handler)
    put(handler)
    with mock.patch.object(_Looking, 'at', autospec=True, side_effect=_Looking.at) as looked:
      self.assertEqual(state.changes().others, ['replaced', 'filled', 'inside', 'new'])
    self.assertLess(looked.call_count, 20)

  def test_plain_values_are_told_apart_by_more_than_what_they_say_of_themselves(self) -> None:
    words = '|'.join(f'word{number}' for number in range(100))
    for before, after in (
        (re.compile(words), re.compile(f'{words}|apple')), (re.compile(words), re.compile(words, re.I)), (Level.LOW, Level.HIGH),
        ((1, Level.LOW), (1, Level.HIGH)), (np.dtype('f4', metadata={'of': 1}), np.dtype('f4', metadata={'of': 2}))):
      handler = types.SimpleNamespace(value=before)
      state = State(handler)
      # Another one that is equal.
      handler.value = tuple(list(before)) if isinstance(before, tuple) else before
      self.assertFalse(state.changes(), before)
      handler.value = after
      self.assertEqual(state.changes().names, {'value'}, before)

  def test_tuples_in_tuples_cost_what_is_in_them(self) -> None:
    rules: Any = None
    for number in range(200):
      rules = (f"it's \\ {number}", rules)
    handler = types.SimpleNamespace(rules=rules)
    state = State(handler)
    self.assertFalse(state.changes())
    handler.rules = ('another', rules)
    self.assertEqual(state.changes().names, {'rules'})
    for number in range(5000):
      rules = (number, rules)
    handler.rules = rules
    self.assertEqual(state.changes().others, ['rules'])

  def test_what_is_written_in_c_is_not_taken_for_its_attributes(self) -> None:
    handler = types.SimpleNamespace(digest=hashlib.sha256(), lock=threading.Lock(), best=np.argmax, kind=int | None, odd=SlotsAndDict('way'))
    state = State(handler)
    self.assertEqual((state.changes().names, state.changes().unknown), (frozenset(), ['digest', 'lock']))
    handler.odd.first = 5
    self.assertEqual(state.changes().others, ['odd'])

  def test_what_loading_does_to_a_text_of_the_program_is_known_to_all(self) -> None:
    for way, parts in _TEXTS.items():
      with self.subTest(way):
        name = uuid.uuid4().hex
        texts = [PythonCallableWithSource(_TEXT.format(*parts)) for _ in range(3)]
        handlers = [each for text in texts for each in self.handlers(text, 2, name=name)]
        models = [handler.load_model() for handler in handlers][0]
        self.assertEqual([self.told(each, models, ['a']) for each in handlers * 2], [['Apple']] * 12)
        self.assertEqual(len(models._loaded), 3)

  def test_a_call_that_is_given_up_keeps_its_handler(self) -> None:
    transform = run_inference(Slow, schema(TEXT, TEXT), settings={'timeout_ms': 300})
    handler = pickler.loads(pickler.dumps(transform._handler))
    models = handler.load_model()
    for rows in (['slow', 'row'], ['a', 'b'], ['c', 'd']):
      if rows[0] == 'slow':
        with self.assertRaises(BridgeError):
          self.told(handler, models, rows)
      else:
        self.assertEqual(self.told(handler, models, rows), rows)


if __name__ == '__main__':
  unittest.main()
