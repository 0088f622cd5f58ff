# SPDX-License-Identifier: Apache-2.0
"""Numbers in the type of a model's input: what the cast would change is refused."""

import unittest
from typing import Any

import numpy as np

from beambridge_host.errors import BridgeError, fields_of
from beambridge_host.wire.casting import cast

WHOLE = (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64)
FLOATS = (np.float16, np.float32, np.float64)
VALUES = [
    0, 1, -1, 2, 127, 128, -129, 255, 256, 300, 2048, 2049, 65504, 65505, 65535, 65536, 2**24, 2**24 + 1, 2**31 - 1, 2**31, 2**32,
    2**53, 2**53 + 1, 2**62 + 1, 2**63 - 1, -2**63, 2**63, 2**64 - 1
]


class CastTest(unittest.TestCase):

  def refuses(self, values: Any, found: Any, wanted: Any, text: str) -> None:
    with self.assertRaises(BridgeError, msg=str((values, found, wanted))) as caught:
      cast(np.asarray(values, found), wanted, 'x')
    marked = fields_of(caught.exception)
    self.assertEqual(marked['code'], 'ROW_MISMATCH')
    self.assertRegex(marked['message'], text)

  def test_every_whole_number_stays_itself_in_any_type_or_is_refused(self):
    for found in WHOLE:
      fits = [value for value in VALUES if np.iinfo(found).min <= value <= np.iinfo(found).max]
      for wanted in (*WHOLE, *FLOATS):
        for value in fits:
          with np.errstate(all='ignore'):
            number = np.array(value, found).astype(wanted).item()
          kept = number not in (float('inf'), float('-inf')) and int(number) == value
          what = (value, found, wanted)
          if kept:
            self.assertEqual(int(cast(np.array([value], found), wanted, 'x')[0]), value, what)
          else:
            self.refuses([[1, value]], found, wanted, rf'takes {np.dtype(wanted)}, and row 1 of 1 has {value} at \[1\]')

  def test_fractions_are_rounded_to_fractions_and_never_to_whole_numbers(self):
    self.assertEqual(cast(np.array([0.1]), np.float32, 'x')[0], np.float32(0.1))
    self.assertEqual(cast(np.array([16777217.0]), np.float32, 'x')[0], 16777216)
    self.assertEqual(cast(np.array([3.0, -2.0]), np.int64, 'x').tolist(), [3, -2])
    self.assertTrue(np.isnan(cast(np.array([np.nan]), np.float16, 'x')[0]))
    self.assertTrue(np.isinf(cast(np.array([np.inf]), np.float32, 'x')[0]))
    self.refuses([1e300], np.float64, np.float32, 'it is out of range')
    self.refuses([70000.0], np.float32, np.float16, 'it is out of range')
    self.refuses([1.0, 1.7], np.float64, np.int64, r'takes int64, and row 2 of 2 has 1.7 \(float64\): it is not a whole number')
    self.refuses([[[0.0, 0.5]]], np.float32, np.uint8, r'row 1 of 1 has 0.5 at \[0, 1\] \(float32\)')
    for value in (np.nan, np.inf, -np.inf):
      self.refuses([value], np.float64, np.int32, 'it is not a whole number')
    for value, wanted in ((2.0**63, np.int64), (2.0**64, np.uint64), (-1.0, np.uint64), (300.0, np.uint8), (-2.0**63 - 4096, np.int64)):
      self.refuses([value], np.float64, wanted, 'it is out of range')
    for value, wanted in ((-2.0**63, np.int64), (2.0**64 - 2048, np.uint64)):
      self.assertEqual(int(cast(np.array([value]), wanted, 'x')[0]), int(value))

  def test_booleans(self):
    self.assertEqual(cast(np.array([True, False]), np.float32, 'x').tolist(), [1, 0])
    self.assertEqual(cast(np.array([1, 0]), np.bool_, 'x').tolist(), [True, False])
    for value in (2, -1):
      self.refuses([value], np.int64, np.bool_, 'only 0 and 1 are booleans')
    self.refuses([np.nan], np.float64, np.bool_, 'only 0 and 1 are booleans')

  def test_texts_are_no_numbers_and_numbers_no_texts(self):
    self.refuses(['1.5'], object, np.float32, 'takes float32, and the examples are str values')
    self.refuses([None], object, np.float32, 'NoneType values')
    self.refuses([1], np.int64, np.object_, 'takes texts, and the examples are int64 values')
    texts = np.array(['a'], object)
    self.assertIs(cast(texts, np.object_, 'x'), texts)

  def test_nothing_to_cast(self):
    numbers = np.arange(3.0)
    self.assertIs(cast(numbers, np.float64, 'x'), numbers)
    self.assertEqual(cast(np.empty((2, 0)), np.int64, 'x').shape, (2, 0))


if __name__ == '__main__':
  unittest.main()
