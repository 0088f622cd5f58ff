# SPDX-License-Identifier: Apache-2.0
"""Columns of packed batches: bytes and back."""

import unittest

import numpy as np
from apache_beam.portability.api import schema_pb2

from beambridge_host.columns import CODED, EQUAL_LISTS, LISTS, NUMBERS, ColumnReader, ColumnWriter, prefixed


def atomic(kind: int, nullable: bool = False) -> schema_pb2.FieldType:
  return schema_pb2.FieldType(atomic_type=kind, nullable=nullable)


def array_of(element: schema_pb2.FieldType) -> schema_pb2.FieldType:
  return schema_pb2.FieldType(array_type=schema_pb2.ArrayType(element_type=element))


def field(field_type: schema_pb2.FieldType, name: str = 'value') -> schema_pb2.Field:
  return schema_pb2.Field(name=name, type=field_type)


class ColumnTest(unittest.TestCase):

  def test_whole_numbers_travel_in_the_narrowest_type_and_arrive_in_the_declared_one(self):
    for values, width in (([1, -128], 1), ([300, 0], 2), ([70_000], 4), ([2**40, -1], 8), ([], 8)):
      column = ColumnWriter(field(atomic(schema_pb2.INT64))).write(values)
      self.assertEqual(len(column), 2 + width * len(values))
      read = ColumnReader(field(atomic(schema_pb2.INT64))).read(column, len(values))
      self.assertEqual(read.dtype, np.int64)
      self.assertEqual(read.tolist(), values)

  def test_doubles_of_the_wire_become_declared_whole_numbers(self):
    column = bytes((NUMBERS, 5)) + np.array([2.0**53 - 1, -5], '<f8').tobytes()
    read = ColumnReader(field(atomic(schema_pb2.INT64))).read(column, 2)
    self.assertEqual(read.tolist(), [2**53 - 1, -5])

  def test_lists_of_one_length_and_of_several(self):
    for lists, kind in (([[1, 2], [3, 4]], EQUAL_LISTS), ([[1], [], [2, 3]], LISTS), ([[], []], EQUAL_LISTS)):
      declared = field(array_of(atomic(schema_pb2.FLOAT)))
      column = ColumnWriter(declared).write(lists)
      self.assertEqual(column[0], kind)
      read = ColumnReader(declared).read(column, len(lists))
      self.assertEqual([values.tolist() for values in read], lists)
      self.assertTrue(all(values.dtype == np.float32 for values in read))

  def test_arrays_can_be_written_to(self):
    declared = field(array_of(atomic(schema_pb2.DOUBLE)))
    read = ColumnReader(declared).read(ColumnWriter(declared).write([[1.0, 2.0]]), 1)
    read[0][0] = 5
    self.assertEqual(read[0].tolist(), [5, 2])

  def test_every_other_type_is_coded_by_beam(self):
    text = schema_pb2.FieldType(map_type=schema_pb2.MapType(key_type=atomic(schema_pb2.STRING),
                                                            value_type=atomic(schema_pb2.INT64)))
    for declared, values in (
        (atomic(schema_pb2.STRING), ['a', '', 'ü' * 200]),
        (atomic(schema_pb2.BOOLEAN), [True, False]),
        (atomic(schema_pb2.BYTES), [b'', b'\x00\x01']),
        (atomic(schema_pb2.INT64, nullable=True), [None, 7]),
        (array_of(array_of(atomic(schema_pb2.INT32))), [[[1], []], []]),
        (array_of(atomic(schema_pb2.STRING)), [['x'], []]),
        (text, [{'a': 1}, {}]),
    ):
      column = ColumnWriter(field(declared)).write(values)
      self.assertEqual(column[0], CODED)
      self.assertEqual(ColumnReader(field(declared)).read(column, len(values)), values)

  def test_a_field_moved_out_of_its_schema_keeps_its_bytes(self):
    moved = field(atomic(schema_pb2.STRING))
    moved.encoding_position = 3
    column = ColumnWriter(moved).write(['a'])
    self.assertEqual(ColumnReader(moved).read(column, 1), ['a'])

  def test_a_length_in_front(self):
    self.assertEqual(prefixed(b'ab'), b'\x02ab')
    self.assertEqual(prefixed(b'x' * 200)[:2], b'\xc8\x01')


if __name__ == '__main__':
  unittest.main()
