# SPDX-License-Identifier: Apache-2.0
"""Plain columns are read as Beam's row coder reads them."""

import random
import unittest

from apache_beam.portability.api import schema_pb2 as A

from beambridge_host.errors import BridgeError
from beambridge_host.wire.columns import ColumnReader, ColumnWriter
from tests.test_columns import atomic, field

VALUES = {
    A.STRING: ['', 'a', 'ä' * 200, 'x\0'], A.BOOLEAN: [True, False], A.INT16: [-3, 7], A.INT32: [0, -1, 2**31 - 1, -2**31],
    A.INT64: [0, -1, 5, 2**63 - 1, -2**63], A.FLOAT: [0.5], A.DOUBLE: [0.0, 1.5, float('inf')]
}


class CodedTest(unittest.TestCase):

  def test_the_same_as_the_row_coder(self):
    for kind, values in VALUES.items():
      for nullable in (False, True):
        declared = field(atomic(kind, nullable), 'x')
        chosen = random.Random(1).choices(values + ([None] if nullable else []), k=200)
        data = ColumnWriter(declared)._coded(chosen)
        reader = ColumnReader(declared)
        self.assertEqual(reader.read(data, 200), chosen)
        self.assertEqual(reader.read(ColumnWriter(declared)._coded([]), 0), [])
        for damaged in (data[:-1], data + b'\1', data[:1] + b'\2' + data[2:]):
          self.assertRaises(BridgeError, lambda: reader.read(damaged, 200))
        reader._plain = None
        self.assertEqual(reader.read(data, 200), chosen)


if __name__ == '__main__':
  unittest.main()
