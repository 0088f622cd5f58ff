# SPDX-License-Identifier: Apache-2.0
"""One prediction that does not fit its declared type: by name in an error, and alone among dead letters.

Beside what Python itself would refuse there is what only TypeScript does, which must not get there: it cannot tell
where the next row begins.
"""

import datetime
import unittest
from decimal import Decimal
from typing import Any, Iterable, Sequence

import apache_beam as beam
import numpy as np
from apache_beam.ml.inference import base
from apache_beam.portability.api import schema_pb2
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.utils.timestamp import Timestamp

from beambridge_host.errors import BridgeError, fields_of
from beambridge_host.inference.inference import run_inference
from beambridge_host.wire.columns import ColumnReader
from beambridge_host.wire.misfit import Misfit
from beambridge_host.wire.packed import Columns, Declared
from beambridge_host.wire.predictions import PredictionColumn
from tests.test_columns import DECIMAL, MILLIS, array_of, atomic, field, row_of, tensor, with_forms
from tests.test_dead_letters import outcomes
from tests.test_inference import INT64, batch, schema
from tests.test_predictions import logical

INT32, STRING = atomic(schema_pb2.INT32), atomic(schema_pb2.STRING)
NULLABLE_INT64, NULLABLE_STRING = atomic(schema_pb2.INT64, True), atomic(schema_pb2.STRING, True)
MICROS = logical(
    'beam:logical_type:micros_instant:v1', row_of([field(INT64, 'seconds'), field(INT64, 'micros')]).type)
LARGE = 2**53
SAFE = 'a number of TypeScript holds at most'
KNOWN = {'enumeration': ['a', 'b']}


def map_of(key: schema_pb2.FieldType, item: schema_pb2.FieldType) -> schema_pb2.FieldType:
  return schema_pb2.FieldType(map_type=schema_pb2.MapType(key_type=key, value_type=item))


def nullable(field_type: schema_pb2.FieldType) -> schema_pb2.FieldType:
  out = schema_pb2.FieldType.FromString(field_type.SerializeToString())
  out.nullable = True
  return out


class Refusing:
  """Fails wherever it is looked at."""

  def numpy(self) -> Any:
    raise RuntimeError('not now')

  def __repr__(self) -> str:
    raise RuntimeError('not even this')


# What is declared, what fits it, what does not, and what is said of that.
CASES: list[tuple[schema_pb2.Field, Any, Any, tuple[str, ...]]] = [
    # What numbers of TypeScript do not hold, wherever they stand.
    (field(INT64), LARGE - 1, LARGE, ('v: int 9007199254740992', SAFE, 'declare bigint64')),
    (field(INT64), np.int64(1 - LARGE), np.int64(-LARGE), ('v: numpy.int64 -9007199254740992', SAFE)),
    (field(INT64), 1.0, float(LARGE), (SAFE,)),
    (field(NULLABLE_INT64), LARGE - 1, LARGE, ('nullable(int64)', SAFE)),
    (field(array_of(INT64)), [1, 2], [1, LARGE], ('v[1]: int', SAFE)),
    (field(array_of(INT64)), np.array([1, 2]), np.array([1, -LARGE]), ('v[1]: numpy.int64 -9', SAFE)),
    (field(array_of(INT64)), np.array([1]), np.array([1, LARGE]), ('v[1]', SAFE)),
    (field(array_of(NULLABLE_INT64)), [None], [None, LARGE], ('v[1]', SAFE)),
    (field(array_of(array_of(INT64))), [[1]], [[], [LARGE]], ('v[1][0]', SAFE)),
    (field(map_of(STRING, INT64)), {'a': 1}, {'a': LARGE}, ("v['a']", SAFE)),
    (field(map_of(INT64, STRING)), {1: 'a'}, {LARGE: 'a'}, (SAFE,)),
    (row_of([field(INT64, 'n'), field(STRING, 's')]), {'n': 1, 's': ''}, {'n': LARGE, 's': ''}, ('v.n', SAFE)),
    (row_of([field(NULLABLE_INT64, 'n'), field(STRING, 's')]), {'n': 1, 's': ''}, {'n': LARGE, 's': ''}, ('v.n', SAFE)),
    (row_of([row_of([field(INT64, 'n')], 'r')]), {'r': {'n': 1}}, {'r': {'n': LARGE}}, ('v.r.n', SAFE)),
    (tensor('int64', [2]), [1, LARGE - 1], [1, LARGE], ('an element is 9007199254740992', SAFE)),
    (tensor('int64', [2]), np.array([1, 2]), np.array([1, -LARGE]), ('an element is -9007199254740992', SAFE)),
    (tensor('int64', [None]), np.array([1]), np.array([1, LARGE]), (SAFE,)),
    (tensor('int64', [1], nullable=True), [1], [LARGE], (SAFE,)),
    (row_of([tensor('int64', [1], 't')]), {'t': [1]}, {'t': [LARGE]}, ('v.t', SAFE)),
    (with_forms(INT64, {'': 'bigint'}, 'value'), -2**63, 2**63, ('declared type bigint64', 'out of range')),
    (with_forms(array_of(INT64), {'e': 'bigint'}, 'value'), np.array([LARGE]), [2**63], ('v[0]', 'bigint64')),
    (with_forms(map_of(INT64, INT64), {'k': 'bigint', 'v': 'bigint'}, 'value'), {LARGE: LARGE}, {2**63: 1}, ('bigint64',)),
    (tensor('bigint64', [1]), [2**63 - 1], [2**63], ('tensor(bigint64',)),
    # An enumeration is text with a field option.
    (with_forms(STRING, {'': KNOWN}, 'value'), 'b', 'c', ("v: str 'c'", 'enumeration("a", "b")', 'none of the declared values')),
    (with_forms(STRING, {'': KNOWN}, 'value'), b'a', b'c', ('none of the declared values',)),
    (with_forms(NULLABLE_STRING, {'': KNOWN}, 'value'), 'b', 'c', ('nullable(enumeration("a", "b"))',)),
    (with_forms(array_of(STRING), {'e': KNOWN}, 'value'), ['a'], ['a', 'c'], ("v[1]: str 'c'",)),
    (with_forms(map_of(STRING, STRING), {'k': KNOWN}, 'value'), {'a': 'c'}, {'c': 'a'}, ("v['c']: str 'c'",)),
    (with_forms(map_of(STRING, STRING), {'v': KNOWN}, 'value'), {'c': 'a'}, {'c': 'c'}, ("v['c']: str 'c'",)),
    (row_of([with_forms(STRING, {'': KNOWN}, 'e'), field(INT32, 'n')]), {'e': 'a', 'n': 1}, {'e': 'c', 'n': 1}, ('v.e',)),
    # Half a surrogate pair is no UTF-8.
    (field(STRING), 'ä\U0001f600', 'a\ud800', (r"v: str 'a\ud800'", 'half a surrogate pair')),
    (field(STRING), np.str_('ä'), np.str_('\udfff'), ('half a surrogate pair',)),
    (field(NULLABLE_STRING), None, '\ud800', ('half a surrogate pair',)),
    (field(array_of(STRING)), ['a'], ['a', '\ud800'], ('v[1]', 'half a surrogate pair')),
    (field(map_of(STRING, INT32)), {'ä': 1}, {'\ud800': 1}, ('half a surrogate pair',)),
    (field(map_of(STRING, STRING)), {'a': 'ä'}, {'a': '\ud800'}, ("v['a']", 'half a surrogate pair')),
    (field(map_of(STRING, INT32)), {'a': 1, b'b': 2}, {'a': 1, b'a': 2}, ('several of its keys are one',)),
    # Decimals and instants that TypeScript has not, and some that Python cannot write.
    *((field(logical(DECIMAL, atomic(schema_pb2.BYTES))), Decimal('1.50'), Decimal(text), ('type decimal', 'not finite'))
      for text in ('NaN', 'sNaN', 'Infinity', '-Infinity')),
    (field(logical(DECIMAL, atomic(schema_pb2.BYTES))), Decimal('1E+3'), Decimal('1E+100001'), ('exponent',)),
    (field(logical(DECIMAL, atomic(schema_pb2.BYTES))), Decimal('1E-3'), Decimal('1E-100001'), ('exponent',)),
    (field(array_of(nullable(logical(DECIMAL, atomic(schema_pb2.BYTES))))), [None], [None, Decimal('NaN')], ('v[1]',)),
    (field(logical(MILLIS, INT64)), Timestamp(864 * 10**10), Timestamp(864 * 10**10 + 1), ('millis_instant', 'a Date of')),
    (field(logical(MILLIS, INT64)), Timestamp(-864 * 10**10), Timestamp(micros=-864 * 10**16 - 1000), ('a Date of',)),
    (field(logical(MILLIS, INT64)), Timestamp(1), Timestamp(10**20), ('a Date of',)),
    (field(nullable(logical(MILLIS, INT64))), Timestamp(1), datetime.datetime(2026, 1, 1), ('no time zone',)),
    (field(array_of(logical(MILLIS, INT64))), [], [Timestamp(1, 5, precision=9)], ('v[0]', 'microsecond precision')),
    (field(MICROS), Timestamp(1), datetime.datetime(2026, 1, 1), ('micros_instant', 'no time zone')),
    (field(MICROS), Timestamp(1), Timestamp(10**20), ('OverflowError',)),
    # Code of a value's own class.
    (field(INT32), 1, Refusing(), ('v: tests.test_misfits.Refusing does not fit', 'RuntimeError: not now')),
    (field(array_of(INT32)), [1], Refusing(), ('RuntimeError: not now',)),
    (tensor('float32', [1]), [1.0], Refusing(), ('RuntimeError: not now',)),
    (row_of([field(INT32, 'n'), field(STRING, 's')]), {'n': 1, 's': ''}, {'n': 1, 's': Refusing()}, ('RuntimeError',)),
]


class MisfitTest(unittest.TestCase):

  def test_each_is_named_and_alone_whatever_its_batch(self):
    for declared, good, bad, words in CASES:
      with self.subTest(declared=str(declared), bad=words):
        column = PredictionColumn(declared)
        self.assertEqual(len(list(ColumnReader(declared).read(column.pack([good, good]), 2))), 2)
        batches: list[Any] = [[bad], [good, bad, good]]
        if isinstance(bad, np.ndarray) and bad.shape == np.shape(good):
          batches.append(np.stack([good, bad, good]))
        told = set()
        for values in batches:
          with self.assertRaises(Misfit) as caught:
            column.pack(values)
          told.add(caught.exception.describe('v'))
        self.assertEqual(len(told), 1)
        for word in words:
          self.assertIn(word, *told)

  def test_the_limits_themselves_come_back(self):
    for declared, values in (
        (field(INT64), [LARGE - 1, 1 - LARGE]),
        (with_forms(INT64, {'': 'bigint'}, 'value'), [2**63 - 1, -2**63]),
        (with_forms(array_of(INT64), {'e': 'bigint'}, 'value'), [[2**63 - 1], [-2**63]]),
        (field(logical(MILLIS, INT64)), [Timestamp(864 * 10**10), Timestamp(-864 * 10**10)]),
        (field(logical(DECIMAL, atomic(schema_pb2.BYTES))), [Decimal('1E-100000'), Decimal('0')]),
    ):
      read = ColumnReader(declared).read(PredictionColumn(declared).pack(values), len(values))
      self.assertEqual([each.tolist() if isinstance(each, (np.ndarray, np.generic)) else each for each in read], values)

  def test_without_dead_letters_the_error_has_a_code_the_transform_and_a_hint(self):
    for declared, good, bad, words in CASES:
      named = schema_pb2.Field.FromString(declared.SerializeToString())
      named.name = 'inference'
      columns = Columns(Declared(field(INT64, 'example').SerializeToString(), b'', (named.SerializeToString(),)), 'Here')
      with self.assertRaises(BridgeError) as caught:
        columns.answer(b'', [good, bad, good])
      told = fields_of(caught.exception)
      self.assertEqual((told['code'], told['transform']), ('INFERENCE_MISMATCH', 'Here'))
      self.assertIn('Declare the type that the model gives', told['hint'])
      for word in words:
        self.assertIn(word.removeprefix('v'), told['message'])


class Odd(base.ModelHandler[int, Any, Any]):
  """Gives the declared number for most, and for others what cannot be written."""

  def load_model(self) -> Any:
    return None

  def run_inference(self, batch: Sequence[Any], model: Any, inference_args: Any = None) -> Iterable[Any]:
    return [{13: LARGE, 14: Refusing()}.get(row, 2 * row) for row in batch]


class OddArray(Odd):
  """The same as one array, as a model gives it."""

  def run_inference(self, batch: Sequence[Any], model: Any, inference_args: Any = None) -> Any:
    return np.array([LARGE if row == 13 else 2 * row for row in batch])


class DeadLettersOfMisfitsTest(unittest.TestCase):

  def score(self, provider: Any, rows: list[Any], expected: list[Any]) -> None:
    transform = run_inference(provider, schema(INT64, INT64), b'', transform='Here', dead_letters=True)
    serialized = INT64.SerializeToString()
    with beam.Pipeline('BundleBasedDirectRunner') as p:
      answers = p | beam.Create([batch(INT64, rows)], reshuffle=False) | transform
      assert_that(answers | beam.Map(lambda answer: outcomes(serialized, answer)), equal_to([expected]))

  def test_other_rows_keep_their_predictions(self):
    unsafe = (f'int64 {LARGE} does not fit the declared type int64: a number of TypeScript holds at most ±(2^53 - 1): '
              'declare bigint64')
    self.score(Odd, [1, 13, 2, 14, 3], [
        2.0, ('INFERENCE_MISMATCH', f'inference: {unsafe.replace("int64", "int", 1)}'), 4.0,
        ('INFERENCE_MISMATCH', 'inference: tests.test_misfits.Refusing does not fit the declared type int64: RuntimeError: not now'),
        6.0
    ])
    self.score(OddArray, [1, 13, 2], [2.0, ('INFERENCE_MISMATCH', f'inference: numpy.{unsafe}'), 4.0])


if __name__ == '__main__':
  unittest.main()
