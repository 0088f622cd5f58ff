# SPDX-License-Identifier: Apache-2.0
"""Predictions of any framework in the declared type, or an error that says what is wrong."""

import dataclasses
import datetime
import decimal
import unittest
from typing import Any, NamedTuple

import numpy as np
from apache_beam.portability.api import schema_pb2
from apache_beam.utils.timestamp import Timestamp

from beambridge_host.wire.columns import ColumnReader
from beambridge_host.wire.misfit import Misfit
from beambridge_host.wire.predictions import PredictionColumn, converter
from tests.test_columns import array_of, atomic, field, row_of, tensor

INT64, DOUBLE = atomic(schema_pb2.INT64), atomic(schema_pb2.DOUBLE)


def logical(urn: str, representation: schema_pb2.FieldType) -> schema_pb2.FieldType:
  return schema_pb2.FieldType(logical_type=schema_pb2.LogicalType(urn=urn, representation=representation))


class FakeTensor:
  """What torch's tensors look like from outside."""

  def __init__(self, values: Any) -> None:
    self._values = np.asarray(values)
    self.shape, self.dtype = self._values.shape, self._values.dtype

  def detach(self) -> 'FakeTensor':
    return self

  def cpu(self) -> 'FakeTensor':
    return self

  def numpy(self) -> np.ndarray:
    return self._values


class Scores(NamedTuple):
  label: str
  score: float


@dataclasses.dataclass
class Labelled:
  label: str
  score: float


class ConverterTest(unittest.TestCase):

  def refuses(self, declared: schema_pb2.FieldType, value: Any, *words: str) -> None:
    with self.assertRaises(Misfit) as caught:
      converter(declared)(value)
    text = caught.exception.describe('inference')
    for word in words:
      self.assertIn(word, text)

  def test_whole_numbers(self):
    convert = converter(INT64)
    for value in (7, np.int64(7), np.uint8(7), 7.0, np.float32(7), np.array(7), np.array([7]), FakeTensor(7)):
      self.assertEqual(convert(value), 7)
      self.assertIs(type(convert(value)), int)

  def test_what_is_no_whole_number(self):
    self.refuses(INT64, 2.5, 'inference', 'float 2.5', 'int64', 'not a whole number')
    self.refuses(INT64, np.float64(2.5), 'numpy.float64 2.5')
    self.refuses(INT64, float('nan'), 'nan')
    self.refuses(INT64, True, 'bool True')
    self.refuses(INT64, np.bool_(True), 'numpy.bool')
    self.refuses(INT64, '7', "str '7'")
    self.refuses(INT64, np.array([1, 2]), 'shape (2,)')
    self.refuses(INT64, 2**63, 'out of range')
    self.refuses(atomic(schema_pb2.INT32), 2**31, 'int32')
    self.refuses(INT64, None, 'NoneType None')

  def test_fractions(self):
    self.assertEqual(converter(DOUBLE)(np.float32(0.5)), 0.5)
    self.assertEqual(converter(DOUBLE)(3), 3.0)
    self.assertEqual(converter(atomic(schema_pb2.FLOAT))(0.1), 0.1)
    self.refuses(DOUBLE, 2**53 + 1, 'rounded')
    self.refuses(DOUBLE, 10**400, 'out of range')
    for value in (2**24 + 1, np.int64(2**24 + 1), np.array([2**24 + 1])):
      self.refuses(atomic(schema_pb2.FLOAT), value, 'float32', 'rounded')
    self.refuses(atomic(schema_pb2.FLOAT), 2**200, 'out of range')
    self.assertEqual(converter(atomic(schema_pb2.FLOAT))(2**24 + 2), 2**24 + 2)
    self.refuses(atomic(schema_pb2.FLOAT), 1e300, 'float32', 'out of range')
    self.refuses(DOUBLE, 'half', "str 'half'")
    self.refuses(DOUBLE, False, 'bool')

  def test_booleans_only_from_booleans(self):
    convert = converter(atomic(schema_pb2.BOOLEAN))
    self.assertIs(convert(np.bool_(True)), True)
    self.assertIs(convert(FakeTensor([False])), False)
    for value in (1, 0, 'yes', np.int64(1), [], np.array([True, False])):
      self.refuses(atomic(schema_pb2.BOOLEAN), value, 'boolean')

  def test_text_and_bytes(self):
    self.assertIs(type(converter(atomic(schema_pb2.STRING))(np.str_('a'))), str)
    self.assertEqual(converter(atomic(schema_pb2.STRING))('ä'.encode()), 'ä')
    self.refuses(atomic(schema_pb2.STRING), b'\xff', 'it is no UTF-8')
    self.refuses(atomic(schema_pb2.STRING), 5, 'int 5')
    convert = converter(atomic(schema_pb2.BYTES))
    for value in (b'\x01', bytearray(b'\x01'), memoryview(b'\x01'), np.array([1], np.uint8)):
      self.assertEqual(convert(value), b'\x01')
    self.refuses(atomic(schema_pb2.BYTES), 'a', "str 'a'")

  def test_lists(self):
    convert = converter(array_of(INT64))
    for value in ([1, 2], (1, 2), np.array([1, 2]), FakeTensor([1, 2]), np.array([1.0, 2.0])):
      self.assertEqual(convert(value), [1, 2])
    self.assertEqual(converter(array_of(array_of(DOUBLE)))(np.eye(2)), [[1.0, 0.0], [0.0, 1.0]])
    self.refuses(array_of(INT64), np.int64(5), 'numpy.int64 5', 'array(int64)')
    self.refuses(array_of(INT64), np.array(5), 'shape ()')
    self.refuses(array_of(INT64), {'a': 1}, 'dict')
    self.refuses(array_of(atomic(schema_pb2.STRING)), 'text', 'str')
    self.refuses(array_of(INT64), [1, 2.5], 'inference[1]', '2.5')
    self.refuses(array_of(INT64), np.ones((2, 2)), 'inference[0]', 'shape (2,)')

  def test_maps(self):
    declared = schema_pb2.FieldType(
        map_type=schema_pb2.MapType(key_type=atomic(schema_pb2.STRING), value_type=array_of(DOUBLE)))
    self.assertEqual(converter(declared)({'a': FakeTensor([0.5])}), {'a': [0.5]})
    self.refuses(declared, {'a': [0.5, 'x']}, "inference['a'][1]", "str 'x'")
    self.refuses(declared, [('a', [0.5])], 'list')
    self.refuses(declared, {1: []}, 'int 1')

  def test_rows(self):
    schema = schema_pb2.Schema(fields=[field(atomic(schema_pb2.STRING), 'label'), field(DOUBLE, 'score')])
    declared = schema_pb2.FieldType(row_type=schema_pb2.RowType(schema=schema))
    for value in ({'label': 'a', 'score': 1}, Scores('a', 1.0), Labelled('a', 1.0)):
      row = converter(declared)(value)
      self.assertEqual((row.label, row.score), ('a', 1.0))
    self.refuses(declared, {'label': 'a'}, 'inference.score', 'missing')
    self.assertEqual(vars(converter(declared)({'label': 'a', 'score': 1, 'more': 2})), {'label': 'a', 'score': 1.0})
    self.refuses(declared, {'label': 'a', 'scores': 1}, "it has no field 'score', and an undeclared field 'scores'")
    self.refuses(declared, {'label': 'a', 'score': None}, 'inference.score', 'NoneType')
    self.refuses(declared, ['a', 1], 'list')

  def test_nullable(self):
    self.assertIsNone(converter(atomic(schema_pb2.INT64, nullable=True))(None))
    self.refuses(atomic(schema_pb2.INT64, nullable=True), 'x', 'nullable(int64)')

  def test_logical_types(self):
    instant = logical('beam:logical_type:millis_instant:v1', INT64)
    self.assertEqual(converter(instant)(Timestamp(1)), Timestamp(1))
    moment = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    self.assertEqual(converter(instant)(moment), Timestamp.from_rfc3339('2026-01-01T00:00:00Z'))
    self.refuses(instant, 1, 'int 1')
    there = datetime.timezone(datetime.timedelta(hours=2))
    self.assertEqual(converter(instant)(datetime.datetime(1970, 1, 1, 3, tzinfo=there)), Timestamp(3600))
    self.refuses(instant, datetime.datetime(2026, 1, 1), 'it says no time zone')

  def test_instants_are_not_cut(self):
    millis = logical('beam:logical_type:millis_instant:v1', INT64)
    micros = logical('beam:logical_type:micros_instant:v1', INT64)
    fine = datetime.datetime(2026, 1, 1, microsecond=1, tzinfo=datetime.timezone.utc)
    for time in (Timestamp(micros=1234567), Timestamp(micros=-1), fine):
      self.refuses(millis, time, 'its microseconds would be lost: declare microsInstant')
      self.assertEqual(converter(micros)(time).micros % 1000, Timestamp.of(time).micros % 1000
                       if isinstance(time, Timestamp) else 1)
    self.assertEqual(converter(millis)(Timestamp(micros=-1234000)).micros, -1234000)
    exact = logical('beam:logical_type:decimal:v1', atomic(schema_pb2.BYTES))
    self.assertEqual(converter(exact)(decimal.Decimal('1.5')), decimal.Decimal('1.5'))
    self.refuses(exact, 1.5, 'float 1.5')

  def test_long_values_are_cut_in_messages(self):
    self.refuses(INT64, 'x' * 1000, '…')


class PredictionColumnTest(unittest.TestCase):

  def column(self, declared: schema_pb2.FieldType, values: list[Any]) -> list[Any]:
    packed = PredictionColumn(field(declared)).pack(values)
    read = ColumnReader(field(declared)).read(packed, len(values))
    return [value.tolist() if hasattr(value, 'tolist') else value for value in read]

  def test_fast_and_slow_way_agree(self):
    float32 = atomic(schema_pb2.FLOAT)
    for declared, values, expected in (
        (INT64, list(np.arange(3)), [0, 1, 2]),
        (INT64, [np.uint8(3), 4], [3, 4]),
        (INT64, [np.float64(3.0)], [3]),
        (atomic(schema_pb2.INT32), list(np.arange(3)), [0, 1, 2]),
        (DOUBLE, list(np.arange(3)), [0, 1, 2]),
        (float32, [np.float64(0.5)], [0.5]),
        (array_of(float32), [np.array([0.5, 1]), np.array([2.0])], [[0.5, 1], [2]]),
        (array_of(INT64), [np.array([1, 2], np.int16), FakeTensor([3])], [[1, 2], [3]]),
        (array_of(INT64), [[1, 2], (3,)], [[1, 2], [3]]),
        (array_of(INT64), [], []),
        (INT64, [], []),
    ):
      self.assertEqual(self.column(declared, values), expected)

  def test_whole_numbers_are_rounded_on_no_way(self):
    large, float32 = 2**24 + 1, atomic(schema_pb2.FLOAT)
    for declared, number in ((float32, large), (DOUBLE, 2**53 + 1)):
      for values in ([number], [number, 0.5], [np.int64(number)], [np.int64(number), np.float64(0.5)], np.array([number]),
                     np.array([[number]]), [np.array([number])]):
        with self.assertRaises(Misfit, msg=str(values)):
          PredictionColumn(field(declared)).pack(values)
      for values in ([[number]], [[number, 0.5]], [np.array([number])], np.array([[number]]), [np.array([number]), np.array([0.5])]):
        element = 'float32' if declared is float32 else 'float64'
        for kind in (field(array_of(declared)), tensor(element, [None])):
          with self.assertRaises(Misfit, msg=str((values, kind))):
            PredictionColumn(kind).pack(values)
    # Fractions are, to the precision that is declared; also those just above the largest that round to it.
    for values in ([float(large)], [np.float64(large)], np.array([float(large)])):
      self.assertEqual(self.column(float32, values), [2**24])
    for values in ([3.4028235e38], [np.float64(3.4028235e38)], np.array([3.4028235e38])):
      self.assertEqual(self.column(float32, values), [float(np.finfo(np.float32).max)])

  def test_the_fast_way_lets_nothing_through(self):
    for declared, values in (
        (INT64, [np.int64(1), np.float64(2.5)]),
        (INT64, [np.uint64(2**63)]),
        (atomic(schema_pb2.INT32), [np.int64(2**31)]),
        (atomic(schema_pb2.BOOLEAN), [np.int64(1)]),
        (DOUBLE, [np.int64(2**53 + 1)]),
        (atomic(schema_pb2.FLOAT), [np.float64(1e300)]),
        (array_of(INT64), [np.array([1, 2]), np.array([0.5])]),
        (array_of(INT64), [np.array([True])]),
    ):
      with self.assertRaises(Misfit):
        PredictionColumn(field(declared)).pack(values)

  def test_infinity_and_nan_stay(self):
    self.assertEqual(self.column(atomic(schema_pb2.FLOAT), [np.float64('inf')]), [float('inf')])
    self.assertTrue(np.isnan(self.column(DOUBLE, [np.float32('nan')])[0]))


class TensorTest(unittest.TestCase):

  def packed(self, declared: schema_pb2.Field, *values: Any) -> list[Any]:
    read = ColumnReader(declared).read(PredictionColumn(declared).pack(values), len(values))
    return [value.tolist() for value in read]

  def refuses(self, declared: schema_pb2.Field, value: Any, *words: str) -> None:
    with self.assertRaises(Misfit) as caught:
      PredictionColumn(declared).pack([value])
    text = caught.exception.describe('inference')
    for word in words:
      self.assertIn(word, text)

  def test_whatever_framework_it_comes_from(self):
    grid = [[1.0, 2.0], [3.0, 4.0]]
    for value in (np.array(grid), np.array(grid, np.float32), np.array(grid, np.int8), grid, [tuple(row) for row in grid],
                  [[1, 2], [3, 4]], FakeTensor(grid), [FakeTensor(row) for row in grid], [np.float32(row) for row in grid]):
      self.assertEqual(self.packed(tensor('float32', [2, 2]), value, value), [grid, grid])
    self.assertEqual(self.packed(tensor('float64', []), 2.5, np.float64(1)), [2.5, 1])
    self.assertEqual(self.packed(tensor('boolean', [2]), [True, False], np.array([False, True])), [[True, False], [False, True]])
    self.assertEqual(self.packed(tensor('uint8', [1]), np.array([255]), [0]), [[255], [0]])
    self.assertEqual(self.packed(tensor('bigint64', [1]), [2**63 - 1]), [[2**63 - 1]])
    self.assertEqual(self.packed(tensor('float32', [None]), [], [1.0]), [[], [1]])

  def test_shapes_are_checked(self):
    declared = tensor('float32', [2, None])
    self.refuses(declared, np.zeros((3, 1)), 'tensor(float32, [2, null])', 'shape (3, 1)')
    self.refuses(declared, [[1.0]], 'its shape is [1, 1]')
    self.refuses(declared, [[1.0], [1.0, 2.0]], 'differ in length')
    self.refuses(declared, 1.0, 'its shape is []')
    with self.assertRaises(Misfit):
      PredictionColumn(tensor('float32', [2])).pack([np.zeros(2), np.zeros(3)])

  def test_nothing_is_converted_silently(self):
    self.refuses(tensor('int64', [1]), np.array([2.5]), 'its elements are float64')
    self.refuses(tensor('int64', [1]), [2.0], 'its elements are float64')
    self.refuses(tensor('boolean', [2]), [1, 0], 'its elements are int64')
    self.refuses(tensor('boolean', [1]), np.array([1.0]), 'float64')
    self.refuses(tensor('int64', [1]), np.array([True]), 'its elements are bool')
    self.refuses(tensor('float32', [2]), [True, 0.5], 'booleans among numbers')
    self.refuses(tensor('uint8', [1]), [256], 'out of range')
    self.refuses(tensor('uint8', [1]), np.array([-1]), 'out of range')
    self.refuses(tensor('float32', [1]), np.array([1e300]), 'out of range')
    self.refuses(tensor('float32', [1]), ['1'], 'tensor(float32, [1])')
    self.refuses(tensor('float32', [1]), [None], 'tensor(float32, [1])')
    self.refuses(tensor('float32', [1]), None, 'tensor(float32, [1])')
    self.refuses(tensor('float32', [1]), {'a': 1}, 'tensor(float32, [1])')
    self.refuses(tensor('float32', [1]), b'abcd', 'tensor(float32, [1])')

  def test_named_outputs(self):
    declared = row_of([tensor('float32', [2], 'logits'), tensor('int64', [], 'label')], 'inference')
    column = PredictionColumn(declared).pack([{'logits': FakeTensor([1, 2]), 'label': np.int64(1)}] * 2)
    read = ColumnReader(declared).read(column, 2)
    self.assertEqual(read.columns['logits'].tolist(), [[1, 2], [1, 2]])
    self.assertEqual(read.columns['label'].tolist(), [1, 1])
    self.refuses(declared, {'logits': [1.0, 2.0, 3.0], 'label': 1}, 'inference.logits', 'its shape is [3]')
    self.refuses(declared, {'logits': [1.0, 2.0]}, 'inference.label', 'missing')
    PredictionColumn(declared).pack([{'logits': [1.0, 2.0], 'label': 1, 'more': 1}])
    self.refuses(declared, {'logits': [1.0, 2.0], 'more': 1}, "no field 'label', and an undeclared field 'more'")


if __name__ == '__main__':
  unittest.main()
