# SPDX-License-Identifier: Apache-2.0
"""Values of Python's own special classes (members of enumerations, times) as what they are, wherever a prediction has them."""

import enum
import typing
import unittest
from typing import Any

import numpy as np
import pandas
from apache_beam.portability.api import schema_pb2
from apache_beam.typehints import row_type

from beambridge_host.host import declared
from beambridge_host.host.conform import Conform
from beambridge_host.wire.columns import ColumnReader
from beambridge_host.wire.misfit import Misfit
from beambridge_host.wire.outputs import predictions_of
from beambridge_host.wire.predictions import PredictionColumn
from tests.test_columns import array_of, atomic, field, row_of, tensor, with_forms

STRING, INT64, DOUBLE = atomic(schema_pb2.STRING), atomic(schema_pb2.INT64), atomic(schema_pb2.DOUBLE)


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


if __name__ == '__main__':
  unittest.main()
