# SPDX-License-Identifier: Apache-2.0
"""Every declared type with every pattern of nulls: what a model is given of a row is the same in every batch."""

import datetime
import decimal
import itertools
import sys
import unittest
from typing import Any, Iterator

import numpy as np
from apache_beam.ml.inference import base
from apache_beam.portability.api import schema_pb2
from apache_beam.utils.timestamp import Timestamp

from tests.metamorphic import driver, libraries
from tests.metamorphic.driver import Refused, Way, ready
from tests.test_columns import DECIMAL, MILLIS, array_of, atomic, field, row_of, tensor, with_forms
from tests.test_predictions import logical

A = schema_pb2
TEXT = field(atomic(A.STRING), 'inference')
SIZES = (1, 2, 3, 17)
WAYS = (Way(False, False, False, 1), Way(True, True, True, 2), Way(False, True, False, 2), Way(True, False, False, 1))


def nullable(kind: schema_pb2.FieldType) -> schema_pb2.FieldType:
  out = schema_pb2.FieldType()
  out.CopyFrom(kind)
  out.nullable = True
  return out


def types() -> Iterator[tuple[str, schema_pb2.Field, list[Any]]]:
  """Declared types by name, each with a few values."""
  plain = {
      'int8': (A.BYTE, [1, -3]), 'int16': (A.INT16, [1, -300]), 'int32': (A.INT32, [1, -70000]), 'int64': (A.INT64, [1, 2**40]),
      'float32': (A.FLOAT, [0.5, -2.0]), 'float64': (A.DOUBLE, [0.1, 7.0]), 'boolean': (A.BOOLEAN, [True, False]),
      'string': (A.STRING, ['', 'oslo', 'a\0']), 'bytes': (A.BYTES, [b'a\0\0', b''])
  }
  for name, (kind, values) in plain.items():
    yield name, field(atomic(kind), 'x'), values
    if name != 'int8':
      yield f'nullable {name}', field(atomic(kind, nullable=True), 'x'), [None, *values]
  for name, kind, values in (
      ('instant', logical(MILLIS, atomic(A.INT64)), [Timestamp(1.5), Timestamp(10**9)]),
      ('decimal', logical(DECIMAL, atomic(A.BYTES)), [decimal.Decimal('1.5'), decimal.Decimal('20')])):
    yield name, field(kind, 'x'), values
    yield f'nullable {name}', field(nullable(kind), 'x'), [None, *values]
  for null in (False, True):
    yield f'{"nullable " if null else ""}enumeration', with_forms(
        atomic(A.STRING, null), {'': {'enumeration': ['b', 'a']}}, 'x'), ['a', 'b', *([None] if null else [])]
  yield 'array of float64', field(array_of(atomic(A.DOUBLE)), 'x'), [[1.0, 2.0], [3.0, 4.0]]
  yield 'array of float64 of two lengths', field(array_of(atomic(A.DOUBLE)), 'x'), [[1.0, 2.0], [3.0]]
  yield 'array of string', field(array_of(atomic(A.STRING)), 'x'), [['a', 'b\0'], ['c', '']]
  yield 'array of bytes', field(array_of(atomic(A.BYTES)), 'x'), [[b'a\0', b''], [b'c', b'\0\0']]
  yield 'tensor', tensor('float32', [2, 2], 'x'), [np.ones((2, 2), np.float32), np.eye(2, dtype=np.float32)]
  yield 'tensor of open shape', tensor('int64', [None], 'x'), [np.array([1, 2]), np.array([3])]


def told(values: Any) -> list[str]:
  """What each row of a batch is, its type and its value."""
  if hasattr(values, 'iloc'):
    columns = [(name, str(values[name].dtype), [_value(each) for each in values[name]]) for name in values.columns]
    return [' '.join(f'{name} {dtype} {column[at]}' for name, dtype, column in columns) for at in range(len(values))]
  if isinstance(values, dict):
    parts = {name: told(part) for name, part in values.items()}
    return [' '.join(f'{name} {part}' for name, part in zip(parts, row)) for row in zip(*parts.values())]
  dtype = str(getattr(values, 'dtype', ''))
  return [f'{dtype} {_value(each)}' for each in values]


def _value(value: Any) -> str:
  if hasattr(value, 'numpy') and callable(value.numpy):
    value = value.numpy()
  if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind != 'M':
    value = value.tolist()
  if isinstance(value, (float, datetime.datetime)) and value != value or str(value) == 'NaT':
    return 'missing'
  return repr(value)


class Echo:
  """Any library's model, which says what it was given."""

  def predict(self, batch: Any) -> Any:
    return np.array(told(batch), object)

  def __call__(self, batch: Any = None, **named: Any) -> Any:
    return np.array(told(named or batch), object)


class Plain(base.ModelHandler):
  """A handler whose class says nothing of its examples."""

  def load_model(self) -> Any:
    return None

  def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
    return [f'{type(each).__name__} {_value(each)}' for each in batch]


class EchoSession:

  def get_inputs(self) -> Any:
    return [type('Port', (), {'name': 'x', 'type': '', 'shape': []})]

  def get_outputs(self) -> Any:
    return [type('Port', (), {'name': 'first'})]

  def run(self, names: Any, inputs: Any) -> Any:
    return [np.array(told(next(iter(inputs.values()))), object)]


def handlers() -> Iterator[tuple[str, Any]]:
  yield 'plain', lambda: ready(Plain(), None)
  if libraries.has('sklearn'):
    from beambridge_host.handlers.sklearn import sklearn
    yield 'sklearn numpy', lambda: ready(sklearn(model_uri='m', input='numpy'), Echo())
    yield 'sklearn pandas', lambda: ready(sklearn(model_uri='m', input='pandas'), Echo())
  if libraries.has('xgboost'):
    from beambridge_host.handlers.xgboost import xgboost
    yield 'xgboost numpy', lambda: ready(xgboost(input='numpy', model_class=object, model_state='m'), Echo())
    yield 'xgboost pandas', lambda: ready(xgboost(input='pandas', model_class=object, model_state='m'), Echo())
  if libraries.has('onnxruntime'):
    from beambridge_host.handlers.onnx import onnx
    yield 'onnx', lambda: ready(onnx(keyed=False, model_uri='m'), EchoSession())
  if libraries.has('tensorflow', 'tensorflow_hub'):
    from beambridge_host.handlers.tensorflow import tensorflow
    yield 'tensorflow numpy', lambda: ready(tensorflow(input='numpy', keyed=False, model_uri='m'), Echo())
    yield 'tensorflow tensor', lambda: ready(tensorflow(input='tensor', keyed=False, model_uri='m'), Echo())
    yield 'tensorflow keyed', lambda: ready(tensorflow(input='numpy', keyed=True, model_uri='m'), Echo())
  if libraries.has('torch'):
    from beambridge_host.handlers.pytorch import pytorch
    common = {'state_dict_path': 'm', 'model_class': dict, 'model_params': {}}
    yield 'pytorch', lambda: ready(pytorch(input='tensor', **common), Echo())
    yield 'pytorch keyed', lambda: ready(pytorch(input='keyedTensor', **common), Echo())


# What a handler cannot be given at all, whatever the batch is.
_NAMED = ('sklearn pandas', 'xgboost pandas', 'tensorflow keyed', 'pytorch keyed')


class ExamplesTest(unittest.TestCase):

  def check(self, name: str, make: Any) -> int:
    counted = 0
    for kind, declared, values in types():
      fields = [declared, field(atomic(A.INT64), 'n')]
      example = row_of(fields, 'example') if name in _NAMED else _renamed(declared)
      handler = make()
      rows = [_row(value, n) if name in _NAMED else value for n, value in enumerate(values)]
      alone = [driver.run(handler, example, TEXT, [row], WAYS[0])[0] for row in rows]
      for size in SIZES:
        chosen = itertools.product(range(len(rows)), repeat=size) if size <= 3 else [
            np.random.default_rng(seed).integers(0, len(rows), size) for seed in range(4)]
        for places in chosen:
          ways = WAYS if size > 3 or places[0] == 0 else WAYS[:2]
          for way in driver.sampled(ways, name, kind, size, [int(place) for place in places]):
            found = driver.run(handler, example, TEXT, [rows[place] for place in places], way)
            expected = [alone[place] for place in places]
            what = (name, kind, places, way)
            if any(isinstance(each, Refused) for each in expected):
              # Refused alone: refused in any batch that has it, and with dead letters nothing else is wrong.
              for each, right in zip(found, expected):
                self.assertTrue(isinstance(each, Refused) or each == right, (what, found, expected))
            else:
              self.assertEqual(found, expected, what)
            counted += 1
    return counted

  def test_all(self):
    total = 0
    for name, make in handlers():
      with self.subTest(name):
        counted = self.check(name, make)
        print(f'metamorphic examples: {name}: {counted} combinations', file=sys.stderr)
        total += counted
    print(f'metamorphic examples: {total} combinations', file=sys.stderr)


def _renamed(declared: schema_pb2.Field) -> schema_pb2.Field:
  out = schema_pb2.Field()
  out.CopyFrom(declared)
  out.name = 'example'
  return out


def _row(value: Any, n: int) -> Any:
  return {'x': value, 'n': n}


if __name__ == '__main__':
  unittest.main()
