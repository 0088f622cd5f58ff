# SPDX-License-Identifier: Apache-2.0
"""Columns of packed batches: bytes and back."""

import json
import unittest
from typing import Any, Optional

import numpy as np
from apache_beam.portability.api import schema_pb2

from beambridge_host.errors import BridgeError
from beambridge_host.wire.columns import (
    CODED, EQUAL_LISTS, LISTS, NUMBERS, RAGGED_TENSORS, ROWS, TENSORS, ColumnReader, ColumnWriter, Rows, prefixed)
from beambridge_host.wire.predictions import PredictionColumn


def atomic(kind: int, nullable: bool = False) -> schema_pb2.FieldType:
  return schema_pb2.FieldType(atomic_type=kind, nullable=nullable)


def array_of(element: schema_pb2.FieldType) -> schema_pb2.FieldType:
  return schema_pb2.FieldType(array_type=schema_pb2.ArrayType(element_type=element))


def field(field_type: schema_pb2.FieldType, name: str = 'value') -> schema_pb2.Field:
  return schema_pb2.Field(name=name, type=field_type)


def tensor(element: str, shape: list[Optional[int]], name: str = 'value', nullable: bool = False) -> schema_pb2.Field:
  """A tensor as TypeScript's schema has it."""
  atomics = {
      'float32': schema_pb2.FLOAT, 'float64': schema_pb2.DOUBLE, 'int16': schema_pb2.INT16,
      'int32': schema_pb2.INT32, 'int64': schema_pb2.INT64, 'bigint64': schema_pb2.INT64
  }
  values = array_of(atomic(atomics[element])) if element in atomics else atomic(schema_pb2.BYTES)
  if None in shape:
    fields = [field(array_of(atomic(schema_pb2.INT32)), 'shape'), field(values, 'values')]
    schema = schema_pb2.Schema(id='_'.join(map(str, (element, *shape))), fields=fields)
    values = schema_pb2.FieldType(row_type=schema_pb2.RowType(schema=schema))
  values.nullable = nullable
  declared = field(values, name)
  option = declared.options.add(name='beambridge:option:value_forms:v1')
  option.value.atomic_value.string = json.dumps({'': {'tensor': element, 'shape': shape}})
  return declared


MILLIS = 'beam:logical_type:millis_instant:v1'
DECIMAL = 'beam:logical_type:decimal:v1'


def with_forms(kind: Any, forms: dict[str, Any], name: str) -> schema_pb2.Field:
  """A field that says which values of JavaScript's it holds."""
  option = schema_pb2.Option(name='beambridge:option:value_forms:v1')
  option.value.atomic_value.string = json.dumps(forms)
  declared = field(kind, name)
  declared.options.append(option)
  return declared


def row_of(fields: list[schema_pb2.Field], name: str = 'value') -> schema_pb2.Field:
  schema = schema_pb2.Schema(id='_'.join(each.name for each in fields), fields=fields)
  return field(schema_pb2.FieldType(row_type=schema_pb2.RowType(schema=schema)), name)


class TensorTest(unittest.TestCase):

  def test_tensors_of_one_shape_are_one_array_that_can_be_written_to(self):
    for element, dtype in (('float32', np.float32), ('float64', np.float64), ('byte', np.int8), ('int16', np.int16),
                           ('int32', np.int32), ('int64', np.int64), ('bigint64', np.int64), ('uint8', np.uint8),
                           ('boolean', np.bool_)):
      declared = tensor(element, [2, 3])
      values = [np.arange(6).reshape(2, 3).astype(dtype) for _ in range(3)]
      column = PredictionColumn(declared).pack(values)
      self.assertEqual(column[0], TENSORS)
      read = ColumnReader(declared).read(column, 3)
      self.assertEqual((read.shape, read.dtype), ((3, 2, 3), dtype))
      self.assertTrue((read == np.stack(values)).all())
      self.assertTrue(read.flags.writeable and read.flags.aligned and read.flags.c_contiguous)

  def test_tensors_of_several_shapes_are_arrays(self):
    declared = tensor('float32', [None, 2])
    values = [np.ones((3, 2), np.float32), np.zeros((0, 2), np.float32), np.full((1, 2), 7, np.float32)]
    column = PredictionColumn(declared).pack(values)
    self.assertEqual(column[0], RAGGED_TENSORS)
    read = ColumnReader(declared).read(column, 3)
    self.assertEqual([part.tolist() for part in read], [value.tolist() for value in values])

  def test_the_bytes_are_those_of_typescript(self):
    two = [[1, 2], [3, 4]]
    column = PredictionColumn(tensor('float32', [2, 2])).pack([two, two])
    self.assertEqual(column[:12], bytes((4, 4, 2, 0, 2, 0, 0, 0, 2, 0, 0, 0)))
    self.assertEqual(len(column), 16 + 2 * 16)
    ragged = PredictionColumn(tensor('uint8', [None])).pack([np.array([1], np.uint8), np.array([2, 3], np.uint8)])
    self.assertEqual(ragged, bytes((5, 6, 1, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3)))

  def test_whole_numbers_may_travel_in_a_narrower_type(self):
    column = bytes((TENSORS, 0, 1, 0, 2, 0, 0, 0)) + bytes((5, 255))
    read = ColumnReader(tensor('int64', [2])).read(column, 1)
    self.assertEqual((read.dtype, read.tolist()), (np.int64, [[5, -1]]))

  def test_a_tensor_that_may_be_null_or_stands_in_something_is_an_array_too(self):
    for shape in ([2], [None]):
      declared = tensor('float32', shape, nullable=True)
      read = ColumnReader(declared).read(PredictionColumn(declared).pack([None, np.float32([1, 2])]), 2)
      self.assertIsNone(read[0])
      self.assertEqual((read[1].dtype, read[1].tolist()), (np.float32, [1, 2]))
    many = field(array_of(atomic(schema_pb2.BYTES)))
    many.options.add(name='beambridge:option:value_forms:v1').value.atomic_value.string = json.dumps(
        {'e': {'tensor': 'uint8', 'shape': [2]}})
    read = ColumnReader(many).read(PredictionColumn(many).pack([[np.uint8([1, 2])], []]), 2)
    self.assertEqual([[part.tolist() for part in value] for value in read], [[[1, 2]], []])

  def test_rows_travel_as_a_column_for_each_field(self):
    declared = row_of([
        tensor('int64', [2], 'ids'), field(atomic(schema_pb2.DOUBLE), 'weight'), field(atomic(schema_pb2.STRING), 'name'),
        field(array_of(atomic(schema_pb2.INT64)), 'list')])
    values = [{'ids': np.array([1, 2]), 'weight': 0.5, 'name': 'a', 'list': [1]},
              {'ids': np.array([3, 4]), 'weight': 2.5, 'name': 'b', 'list': [2]}]
    column = PredictionColumn(declared).pack(values)
    self.assertEqual(column[0], ROWS)
    read = ColumnReader(declared).read(column, 2)
    self.assertIsInstance(read, Rows)
    self.assertEqual(read.columns['ids'].shape, (2, 2))
    for row, value in zip(read, values):
      self.assertEqual((row.ids.tolist(), row.weight, row.name, row.list),
                       (value['ids'].tolist(), value['weight'], value['name'], value['list']))
      self.assertEqual((type(row.weight), type(row.list[0])), (float, int))
    self.assertEqual([row.name for row in read[1:]], ['b'])
    self.assertEqual(read[1].name, 'b')
    self.assertEqual(read[-1].name, 'b')


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

  def test_a_column_whose_counts_or_kind_do_not_fit_is_refused(self):
    number, numbers = field(atomic(schema_pb2.INT64)), field(array_of(atomic(schema_pb2.INT64)))
    text = field(atomic(schema_pb2.STRING))
    u32 = lambda *values: np.array(values, '<u4').tobytes()
    damaged = [
        (number, 3, bytes((1, 0, 7))), (number, 1, bytes((1, 0, 7, 8))), (number, 1, b''), (number, 1, bytes((1,))),
        (number, 1, bytes((1, 99, 7))), (number, 1, bytes((9, 0, 7))), (number, 1, bytes((2, 0)) + u32(1) + b'7'),
        (numbers, 1, bytes((2, 0)) + u32(0xffffffff)), (numbers, 2, bytes((3, 0)) + u32(1, 2) + b'78'),
        (numbers, 2, bytes((3, 0)) + u32(1, 1) + b'789'), (numbers, 1, bytes((1, 0, 7))),
        (text, 1, bytes((1, 0, 7))), (text, 1 << 40, bytes((0, 1, 0, 1, 65))), (text, 2, bytes((0, 1, 0, 1, 65))),
        (text, 1, bytes((0, 1, 0, 1, 65, 65))),
    ]
    for declared, count, data in damaged:
      with self.assertRaises(BridgeError, msg=str((declared, count, data))):
        ColumnReader(declared).read(data, count)

  def test_a_length_in_front(self):
    self.assertEqual(prefixed(b'ab'), b'\x02ab')
    self.assertEqual(prefixed(b'x' * 200)[:2], b'\xc8\x01')


if __name__ == '__main__':
  unittest.main()
