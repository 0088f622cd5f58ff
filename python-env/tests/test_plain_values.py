# SPDX-License-Identifier: Apache-2.0
"""Values of Python's own special classes (members of enumerations, times) as what they are, wherever a prediction has them."""

import dataclasses
import datetime
import enum
import json
import typing
import unittest
from typing import Any

import numpy as np
import pandas
from apache_beam.coders import RowCoder
from apache_beam.coders.coder_impl import create_InputStream
from apache_beam.portability.api import schema_pb2
from apache_beam.typehints import row_type
from apache_beam.utils.timestamp import Timestamp

from beambridge_host.errors import BridgeError
from beambridge_host.host import declared
from beambridge_host.host.conform import Conform
from beambridge_host.wire.columns import ColumnReader
from beambridge_host.wire.misfit import Misfit
from beambridge_host.wire.outputs import predictions_of
from beambridge_host.wire.predictions import PredictionColumn
from tests.test_columns import MILLIS, array_of, atomic, field, row_of, tensor, with_forms
from tests.test_predictions import logical

STRING, INT64, DOUBLE = atomic(schema_pb2.STRING), atomic(schema_pb2.INT64), atomic(schema_pb2.DOUBLE)
MILLIS_INSTANT = logical(MILLIS, INT64)
MICROS = logical(
    'beam:logical_type:micros_instant:v1', row_of([field(INT64, 'seconds'), field(INT64, 'micros')]).type)


def map_of(key: schema_pb2.FieldType, item: schema_pb2.FieldType) -> schema_pb2.FieldType:
  return schema_pb2.FieldType(map_type=schema_pb2.MapType(key_type=key, value_type=item))


def nullable(field_type: schema_pb2.FieldType) -> schema_pb2.FieldType:
  out = schema_pb2.FieldType.FromString(field_type.SerializeToString())
  out.nullable = True
  return out


def written(of: schema_pb2.Field, *values: Any) -> list[Any]:
  """Predictions after they have been packed and read."""
  column = PredictionColumn(of).pack(list(values))
  return [each.tolist() if isinstance(each, np.ndarray) else each for each in ColumnReader(of).read(column, len(values))]


class Label(str, enum.Enum):
  CAT = 'cat'
  DOG = 'dog'


class Told(str):
  """Says something else of itself than it is."""

  def __str__(self) -> str:
    return 'told'


class Level(enum.IntEnum):
  LOW = 1
  HIGH = 2**40


class Share(float, enum.Enum):
  HALF = 0.5


class EnumerationTest(unittest.TestCase):

  def test_a_member_is_its_text_wherever_a_text_is_declared(self):
    known = {'enumeration': ['cat', 'dog']}
    fixed = schema_pb2.FieldType(
        logical_type=schema_pb2.LogicalType(
            urn='beam:logical_type:var_char:v1', representation=STRING, argument_type=atomic(schema_pb2.INT32),
            argument=schema_pb2.FieldValue(atomic_value=schema_pb2.AtomicTypeValue(int32=3))))
    for of, given, right in (
        (field(STRING), Label.CAT, 'cat'), (field(STRING), Told('cat'), 'cat'), (field(nullable(STRING)), Label.DOG, 'dog'),
        (field(array_of(STRING)), [Label.CAT, Label.DOG], ['cat', 'dog']), (field(fixed), Label.CAT, 'cat'),
        (field(map_of(STRING, STRING)), {Label.CAT: Label.DOG}, {'cat': 'dog'}),
        (with_forms(STRING, {'': known}, 'value'), Label.CAT, 'cat'),
        (with_forms(array_of(STRING), {'e': known}, 'value'), [Label.DOG], ['dog'])):
      with self.subTest(str(given)):
        found, = written(of, given)
        self.assertEqual(found, right)
        column = PredictionColumn(of).pack(np.array([given, None], object)[:1])
        self.assertEqual(list(ColumnReader(of).read(column, 1)), [right])
    found, = written(row_of([field(STRING, 'label'), with_forms(STRING, {'': known}, 'known')]), {
        'label': Label.CAT, 'known': Label.DOG})
    self.assertEqual(tuple(found), ('cat', 'dog'))
    with self.assertRaises(Misfit):
      written(with_forms(STRING, {'': {'enumeration': ['Label.CAT']}}, 'value'), Label.CAT)

  def test_a_member_is_its_number_wherever_a_number_is_declared(self):
    for of, given, right in (
        (field(INT64), Level.HIGH, 2**40), (field(nullable(INT64)), Level.LOW, 1), (field(array_of(INT64)), [Level.LOW, 2], [1, 2]),
        (field(array_of(nullable(INT64))), [None, Level.LOW], [None, 1]), (field(DOUBLE), Level.LOW, 1.0),
        (field(DOUBLE), Share.HALF, 0.5), (field(map_of(INT64, DOUBLE)), {Level.LOW: Share.HALF}, {1: 0.5}),
        (tensor('int64', [2]), [Level.LOW, Level.HIGH], [1, 2**40])):
      with self.subTest(str(given)):
        self.assertEqual(written(of, given), [right])
        self.assertNotIn('<', repr(written(of, given)))

  def test_columns_of_a_frame_may_be_named_by_members(self):
    frame = pandas.DataFrame([[0.25, 1.0], [0.5, 2.0]])
    frame.columns = pandas.Index([Label.CAT, Label.DOG], dtype=object)
    outputs = predictions_of(frame, 2)
    declared_row = row_of([field(DOUBLE, 'dog'), field(DOUBLE, 'cat')])
    found = ColumnReader(declared_row).read(PredictionColumn(declared_row).pack(outputs), 2)
    self.assertEqual([tuple(each) for each in found], [(1.0, 0.25), (2.0, 0.5)])

  def test_outputs_of_a_transform_are_the_texts_and_numbers_of_members(self):
    type_ = row_type.RowTypeConstraint.from_fields([('label', str), ('levels', typing.Sequence[int]), ('share', float)])
    made = Conform(declared.plan(type_), 'T')({'label': Label.CAT, 'levels': [Level.LOW], 'share': Share.HALF})
    self.assertEqual(repr((made.label, made.levels, made.share)), "('cat', [1], 0.5)")
    self.assertEqual(repr(Conform(('str',), 'T')(Told('cat'))), "'cat'")


TIME = 'a time is no number'


class Pair(typing.NamedTuple):
  x: int
  tags: tuple


class KeysTest(unittest.TestCase):
  """Python's rows and tuples can be keys of a dict; what they are written as can not."""

  def items(self, declared_key: schema_pb2.Field, value: Any) -> list[Any]:
    """What the bytes of a map say, which Python itself cannot have as a dict: its keys as a list and its values."""
    kind = map_of(declared_key.type, INT64)
    option = declared_key.options and {'k': json.loads(declared_key.options[0].value.atomic_value.string)['']}
    of = with_forms(kind, option, 'value') if option else field(kind)
    data = PredictionColumn(of).pack([value])
    entry = row_of([field(declared_key.type, 'k'), field(INT64, 'v')]).type.row_type.schema
    key, item = (RowCoder(entry).components[at].get_impl() for at in (0, 1))
    stream = create_InputStream(data[1:])
    self.assertEqual((stream.read_var_int64(), stream.read_var_int64()), (1, 0))
    count = stream.read_bigendian_int32()
    found = [(key.decode_from_stream(stream, True), item.decode_from_stream(stream, True)) for _ in range(count)]
    self.assertEqual(stream.size(), 0)
    return found

  def test_rows_arrays_and_rows_of_arrays_are_keys(self):
    texts = array_of(STRING)
    pair = row_of([field(INT64, 'x'), field(texts, 'tags')])
    for of, value, right in (
        (field(texts), {('a', 'b'): 1, (): 2}, [(['a', 'b'], 1), ([], 2)]),
        (row_of([field(INT64, 'x')]), {Point(1): 5, Point(2): 6}, [((1,), 5), ((2,), 6)]),
        (pair, {Pair(1, ('a',)): 5, Pair(1, ()): 6}, [((1, ['a']), 5), ((1, []), 6)]),
        (tensor('int64', [2]), {(1, 2): 3}, [([1, 2], 3)]), (field(STRING), {'a': 1}, [('a', 1)])):
      with self.subTest(str(value)):
        found = [(tuple(key) if hasattr(key, '_asdict') else list(key) if isinstance(key, (list, tuple)) else key, item)
                 for key, item in self.items(of, value)]
        self.assertEqual(found, right)

  def test_keys_that_become_one_are_refused(self):
    for of, value in ((row_of([field(STRING, 'x')]), {Point('a'): 1, Point(b'a'): 2}), (field(array_of(STRING)), {('a',): 1, (b'a',): 2})):
      with self.assertRaises(Misfit) as caught:
        self.items(of, value)
      self.assertEqual(caught.exception.why, 'several of its keys are one')


@dataclasses.dataclass(frozen=True)
class Point:
  x: Any


class TimesAsNumbersTest(unittest.TestCase):

  def test_times_and_durations_are_no_numbers(self):
    for unit in ('ns', 'us', 'ms', 's', 'D'):
      for kind in ('M8', 'm8'):
        times = np.array([5, 7], f'{kind}[{unit}]')
        for of, values in (
            (field(INT64), times), (field(INT64), list(times)), (field(INT64), times.reshape(2, 1)), (field(DOUBLE), times),
            (field(nullable(INT64)), times), (field(nullable(DOUBLE)), list(times)), (field(atomic(schema_pb2.INT32)), times),
            (field(array_of(INT64)), [times]), (field(array_of(DOUBLE)), times.reshape(2, 1)), (field(array_of(INT64)), [list(times)]),
            (field(array_of(nullable(INT64))), [times]), (field(map_of(STRING, INT64)), [{'a': times[0]}]),
            (row_of([field(INT64, 'n')]), [{'n': times[0]}]), (tensor('int64', [2]), [times]), (tensor('float64', [2]), [list(times)]),
            (field(atomic(schema_pb2.BOOLEAN)), times), (field(STRING), times)):
          with self.subTest(f'{unit} {kind} {of}'):
            with self.assertRaises(Misfit) as caught:
              PredictionColumn(of).pack(values)
            if 'tensor' not in caught.exception.declared and of.type.atomic_type not in (schema_pb2.STRING, schema_pb2.BOOLEAN):
              self.assertEqual(caught.exception.why.partition(':')[0], TIME)

  def test_nor_are_those_of_pandas_and_python(self):
    day = pandas.Timestamp('2020-01-01')
    for value in (day, day.tz_localize('UTC'), day - day, day.to_pydatetime(), datetime.date(2020, 1, 1), datetime.timedelta(1)):
      for of in (field(INT64), field(DOUBLE), field(nullable(INT64))):
        with self.subTest(repr(value)), self.assertRaises(Misfit) as caught:
          written(of, value)
        self.assertIn(TIME, caught.exception.why)
    for column in (pandas.Series([day, day]), pandas.Series([day - day, day - day])):
      with self.assertRaises(Misfit) as caught:
        PredictionColumn(field(INT64)).pack(predictions_of(column, 2))
      self.assertIn(TIME, caught.exception.why)
    masked = np.ma.MaskedArray(np.array([5, 7], 'M8[ns]'), mask=[True, False])
    with self.assertRaises(Misfit) as caught:
      written(field(array_of(nullable(INT64))), masked)
    self.assertEqual((caught.exception.path, caught.exception.why.partition(':')[0]), ('[1]', TIME))

  def test_an_output_of_a_transform_is_none_either(self):
    for plan in (('int', 64), ('float', 64), ('nullable', ('int', 64))):
      for value in (np.timedelta64(5, 'ns'), np.datetime64(5, 'ns')):
        with self.assertRaises(BridgeError) as caught:
          Conform(plan, 'T')(value)
        self.assertIn('ROW_MISMATCH', str(caught.exception))


class NoTimeTest(unittest.TestCase):

  def test_what_is_no_time_is_null_where_that_may_be(self):
    days = pandas.Series([pandas.Timestamp('2020-01-01', tz='UTC'), pandas.NaT])
    for value in (pandas.NaT, pandas.NA, np.datetime64('NaT'), np.timedelta64('NaT', 'ns'), days[1]):
      for kind in (MICROS, MILLIS_INSTANT):
        with self.subTest(f'{value!r} {kind}'):
          self.assertEqual(written(field(nullable(kind)), value), [None])
          self.assertEqual(written(field(array_of(nullable(kind))), [value]), [[None]])
          self.assertEqual(written(row_of([field(nullable(kind), 't')]), {'t': value})[0].t, None)
          for of, given in ((field(kind), value), (field(array_of(kind)), [value]), (field(map_of(STRING, kind)), {'a': value})):
            with self.assertRaises(Misfit) as caught:
              written(of, given)
            self.assertEqual(caught.exception.why, 'it is no time')
      self.assertEqual(written(field(nullable(STRING)), value), [None])
    for kind in (MICROS, MILLIS_INSTANT):
      column = PredictionColumn(field(nullable(kind))).pack(predictions_of(days, 2))
      self.assertEqual(ColumnReader(field(nullable(kind))).read(column, 2), [Timestamp(1577836800), None])
    self.assertIsNone(Conform(('nullable', ('instant', 1)), 'T')(pandas.NaT))

  def test_times_of_any_zone_are_instants(self):
    zone = datetime.timezone(datetime.timedelta(hours=2))
    for value in (datetime.datetime(2020, 1, 1, 2, tzinfo=zone), pandas.Timestamp('2020-01-01T02:00', tz=zone),
                  pandas.Timestamp('2020-01-01T01:00', tz='Europe/Oslo'), pandas.Timestamp('2020-01-01', tz='UTC')):
      self.assertEqual(written(field(MICROS), value), [Timestamp(1577836800)])
      self.assertEqual(written(field(nullable(MILLIS_INSTANT)), value), [Timestamp(1577836800)])

  def test_a_time_that_says_no_zone_or_has_no_year_is_refused(self):

    class Silent(datetime.tzinfo):

      def utcoffset(self, dt: Any) -> Any:
        return None

    west = datetime.timezone(-datetime.timedelta(hours=2))
    for value, why in (
        (datetime.datetime(2020, 1, 1), 'it says no time zone'), (datetime.datetime(2020, 1, 1, tzinfo=Silent()), 'it says no time zone'),
        (pandas.Timestamp('2020-01-01'), 'it says no time zone'), (np.datetime64('2020-01-01'), "numpy's times say no time zone"),
        (np.array(['2020-01-01'], 'M8[ns]'), "numpy's times say no time zone"),
        (datetime.datetime.max.replace(tzinfo=west), 'it has no year from 1 to 9999 in UTC')):
      with self.subTest(repr(value)), self.assertRaises(Misfit) as caught:
        written(field(MICROS), value)
      self.assertIn(why, caught.exception.why)


if __name__ == '__main__':
  unittest.main()
