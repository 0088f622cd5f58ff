# SPDX-License-Identifier: Apache-2.0
"""Names of fields that Python cannot have."""

import unittest
from types import SimpleNamespace

from apache_beam.portability.api import schema_pb2

from beambridge_host.wire.columns import ColumnReader, ColumnWriter
from beambridge_host.wire.conversions import converter
from beambridge_host.wire.field_names import in_python, python_names


def row_of(*names: str) -> schema_pb2.Field:
  fields = [schema_pb2.Field(name=name, type=schema_pb2.FieldType(atomic_type=schema_pb2.STRING)) for name in names]
  schema = schema_pb2.Schema(id='given', fields=fields)
  return schema_pb2.Field(name='the row', type=schema_pb2.FieldType(row_type=schema_pb2.RowType(schema=schema)))


class FieldNamesTest(unittest.TestCase):

  def test_names_are_near_and_never_the_same(self):
    names = ['Beak Length (mm)', 'class', '_id', 'id', 'order-id', 'order id', '1st', '', '--', 'plain', 'größe']
    found = python_names(names)
    self.assertEqual(list(found.values()), [
        'Beak_Length_mm', 'class_', 'id_2', 'id', 'order_id', 'order_id_2', 'field_1st', 'field', 'field_2', 'plain',
        'größe'])
    self.assertEqual(list(found), names)

  def test_a_schema_of_pythons_names_stays_the_same(self):
    own = row_of('a', 'b').type.row_type.schema
    self.assertIs(in_python(own), own)
    other = in_python(row_of('a b').type.row_type.schema)
    self.assertEqual((other.id, other.fields[0].name), ('', 'a_b'))

  def test_rows_keep_their_values_there_and_back(self):
    field = row_of('Beak Length (mm)', 'class', '_id')
    made = converter(field.type)({'Beak Length (mm)': 'x', 'class': 'y', '_id': 'z'})
    data = ColumnWriter(field).write([made])
    [row] = ColumnReader(field).read(data, 1)
    self.assertEqual(tuple(row), ('x', 'y', 'z'))
    self.assertEqual(row._fields, ('Beak_Length_mm', 'class_', 'id'))
    # A handler may pass on what it got.
    self.assertEqual(converter(field.type)(row), SimpleNamespace(Beak_Length_mm='x', class_='y', id='z'))


if __name__ == '__main__':
  unittest.main()
