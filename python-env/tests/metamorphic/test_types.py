# SPDX-License-Identifier: Apache-2.0
"""What a model is given has the type that was declared, however the value travels: alone, nested, in rows and in maps.

Every number here is one that a narrower type has not, so that a detour through it shows in the value as well.
"""

import itertools
import sys
import unittest
from typing import Any, Iterator

import numpy as np
from apache_beam.portability.api import schema_pb2

from tests.metamorphic import driver, libraries
from tests.metamorphic.driver import Way, ready
from tests.metamorphic.test_examples import TEXT, Plain, handlers, nullable
from tests.test_columns import array_of, atomic, field, row_of, tensor, with_forms

A = schema_pb2
# By kind: the type, two values, and the type where a null may stand.
NUMBERS = {
    A.BYTE: (np.int8, (1, 127), np.float64), A.INT16: (np.int16, (-2**15, 2**15 - 1), np.float64),
    A.INT32: (np.int32, (-2**31, 2**24 + 1), np.float64), A.INT64: (np.int64, (2**53 - 1, -2**40), np.float64),
    A.FLOAT: (np.float32, (0.5, 2.0**24), np.float32), A.DOUBLE: (np.float64, (16777217.25, 0.1), np.float64),
    A.BOOLEAN: (np.bool_, (True, False), np.float64)
}
TENSORS = {'float32': (0.5, 2.0**24), 'float64': (16777217.25, 0.1), 'int64': (2**53 - 1, -2**40), 'boolean': (True, False)}
WAYS = (Way(False, False, False, 1), Way(True, True, True, 2))


def map_of(kind: schema_pb2.FieldType) -> schema_pb2.FieldType:
  return schema_pb2.FieldType(map_type=schema_pb2.MapType(key_type=atomic(A.STRING), value_type=kind))


def types() -> Iterator[tuple[schema_pb2.FieldType, Any, np.ndarray]]:
  """Declared types, a value each, and what a library of numbers is given for it."""
  for kind, (dtype, (one, two), with_null) in NUMBERS.items():
    number, maybe = atomic(kind), None if kind == A.BYTE else atomic(kind, nullable=True)
    flat = [
        (number, one), (array_of(number), [one, two]), (array_of(number), []), (nullable(array_of(number)), [one, two]),
        (nullable(array_of(number)), []), (array_of(array_of(number)), [[one, two], [two, one]]),
        (array_of(array_of(array_of(number))), [[[one], [two]]]), (nullable(array_of(array_of(number))), [[one], [two]])
    ]
    for declared, value in flat:
      yield declared, value, np.array(value, dtype)
    yield array_of(array_of(number)), [], np.empty((0, 0), dtype)
    yield array_of(array_of(number)), [[], []], np.empty((2, 0), dtype)
    if maybe is not None:
      for declared, value in ((maybe, one), (maybe, None), (array_of(maybe), [one, None]), (nullable(array_of(maybe)), [None, two]),
                              (array_of(array_of(maybe)), [[one, None], [None, two]]), (array_of(array_of(maybe)), [[two, two]])):
        yield declared, value, np.array(value, with_null)


def texts() -> Iterator[tuple[schema_pb2.FieldType, Any, np.ndarray]]:
  for kind, some in ((A.STRING, ['oslo', '']), (A.BYTES, [b'a\0', b''])):
    for declared, value in ((array_of(atomic(kind)), some), (array_of(atomic(kind)), []), (nullable(array_of(atomic(kind))), some),
                            (nullable(array_of(atomic(kind))), []), (array_of(array_of(atomic(kind))), [some, some])):
      yield declared, value, np.array(value, object)
    yield array_of(array_of(atomic(kind))), [], np.empty((0, 0), object)


class Keeps:
  """Any library's model, which keeps what it was given."""

  def __init__(self) -> None:
    self.given: list[Any] = []

  def __call__(self, batch: Any = None, **named: Any) -> Any:
    named = batch if isinstance(batch, dict) else named
    self.given.append(named or batch)
    return np.array(['said'] * len(next(iter(named.values())) if named else batch), object)

  predict = __call__

  def get_inputs(self) -> Any:
    return [type('Port', (), {'name': 'x', 'type': '', 'shape': []})]

  def get_outputs(self) -> Any:
    return [type('Port', (), {'name': 'first'})]

  def run(self, names: Any, inputs: Any) -> Any:
    return [self(next(iter(inputs.values())))]


def _as_array(given: Any) -> np.ndarray:
  return np.asarray(given.numpy() if hasattr(given, 'numpy') else given)


def arrays_handlers() -> Iterator[tuple[str, Any]]:
  """Those that are given arrays or tensors, as they are declared."""
  for name, make in handlers():
    # Examples of XGBoost are matrices of one row.
    if name != 'plain' and 'pandas' not in name and not name.startswith('xgboost'):
      yield name, make
  if libraries.has('tensorflow', 'tensorflow_hub'):
    from beambridge_host.handlers.tensorflow import tensorflow
    yield 'tensorflow keyed tensor', lambda: ready(tensorflow(input='tensor', keyed=True, model_uri='m'), None)


class TypesTest(unittest.TestCase):

  def given(self, make: Any, example: schema_pb2.Field, value: Any, way: Way) -> Any:
    handler, model = make(), Keeps()
    handler.load_model = lambda: model
    found = driver.run(handler, example, TEXT, [value], way)
    self.assertEqual(found, ['said'])
    return model.given[-1]

  def same(self, given: Any, expected: np.ndarray, what: Any) -> None:
    array = _as_array(given)
    self.assertEqual((array.shape, array.dtype), ((1, *expected.shape), expected.dtype), what)
    if expected.dtype == object and not isinstance(given, np.ndarray):
      # TensorFlow calls bytes strings.
      self.assertEqual(array.ravel().tolist(), [each.encode() if isinstance(each, str) else each for each in expected.ravel()])
    else:
      np.testing.assert_array_equal(array[0], expected, str(what))

  def test_every_type_of_numbers_and_texts(self):
    total = 0
    for name, make in arrays_handlers():
      named = 'keyed' in name
      cases = list(types()) + ([] if name.startswith('pytorch') else list(texts()))
      for (kind, value, expected), way in itertools.product(cases, WAYS):
        with self.subTest(f'{name} {kind} {value} {way}'):
          if named:
            other = field(atomic(A.INT64), 'n')
            given = self.given(make, row_of([field(kind, 'x'), other], 'example'), {'x': value, 'n': 1}, way)
            self.same(given['x'], expected, (name, kind, value))
            self.assertEqual(_as_array(given['n']).dtype, np.int64)
            given = self.given(make, field(map_of(kind), 'example'), {'x': value, 'y': value}, way)
            self.same(given['y'], expected, (name, 'map', kind, value))
          else:
            given = self.given(make, field(kind, 'example'), value, way)
            self.same(given, expected, (name, kind, value))
          total += 1
    print(f'metamorphic types: {total} combinations', file=sys.stderr)

  def test_tensors_wherever_they_stand(self):
    for name, make in arrays_handlers():
      if 'keyed' in name:
        continue
      for element, (one, two) in TENSORS.items():
        for null in (False, True):
          for shape in ([2], [None]):
            declared = tensor(element, shape, 'example', nullable=null)
            expected = np.array([one, two], {'boolean': 'bool'}.get(element, element))
            with self.subTest(f'{name} {element} {null} {shape}'):
              self.same(self.given(make, declared, expected, WAYS[0]), expected, (name, element))

  def test_a_whole_number_beside_a_null_is_refused_where_it_would_be_rounded(self):
    for name, make in arrays_handlers():
      if 'keyed' in name:
        continue
      maybe = atomic(A.INT64, nullable=True)
      kind = array_of(array_of(maybe))
      declared = with_forms(kind, {'e.e': 'bigint'}, 'example')
      handler = make()
      handler.load_model = Keeps
      found = driver.run(handler, declared, TEXT, [[[2**53 + 1, None]], [[1, None]]], WAYS[1])
      self.assertIsInstance(found[0], driver.Refused, name)
      self.assertEqual(found[1], 'said', name)


class PlainTest(unittest.TestCase):

  def test_a_tensor_that_may_be_null_is_an_array_to_a_handler_that_says_nothing(self):
    value = np.array([16777217.25, 0.1])
    for shape in ([2], [None]):
      declared = tensor('float64', shape, 'example', nullable=True)
      handler = ready(Plain(), None)
      handler.run_inference = lambda batch, model, args=None: [
          'None' if each is None else f'{type(each).__name__} {each.dtype} {each.tolist()}' for each in batch]
      for rows in ([None, value], [value, None], [value], [None]):
        for way in WAYS:
          found = driver.run(handler, declared, TEXT, rows, way)
          self.assertEqual(found, ['None' if row is None else 'ndarray float64 [16777217.25, 0.1]' for row in rows])


if __name__ == '__main__':
  unittest.main()
