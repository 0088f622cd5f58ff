# SPDX-License-Identifier: Apache-2.0
"""Predictions that stay an array look like Beam's, one by one and in parts."""

import unittest

import numpy as np
from apache_beam.ml.inference import utils
from apache_beam.ml.inference.base import PredictionResult
from apache_beam.portability.api import schema_pb2

from beambridge_host.wire.predictions import PredictionColumn
from beambridge_host.wire.results import Results, joined


def of(examples, predictions, model_id=None):
  return utils._convert_to_result(examples, predictions, model_id)


def plain(found):
  return [(int(result.example), result.inference.tolist(), result.model_id) for result in found]


class ResultsTest(unittest.TestCase):

  def test_what_beam_gives(self):
    examples = np.arange(5)
    for predictions in (np.arange(5) * 2, np.arange(10.0).reshape(5, 2), np.arange(5, dtype=np.uint8)):
      ours, beams = of(examples, predictions, 'm'), [PredictionResult(*pair, 'm') for pair in zip(examples, predictions)]
      self.assertIsInstance(ours, Results)
      self.assertIsInstance(ours[0], PredictionResult)
      self.assertEqual(plain(ours), plain(beams))
      self.assertEqual([type(each.inference) for each in ours], [type(each.inference) for each in beams])
      self.assertEqual(plain([ours[0], ours[-1]]), plain([beams[0], beams[-1]]))
      self.assertRaises(IndexError, lambda: ours[5])

  def test_numbers_outlive_an_array_that_is_used_again(self):
    reused = np.arange(3)
    first = of(np.arange(3), reused)
    reused += 10
    self.assertEqual([result.inference for result in first], [0, 1, 2])

  def test_parts(self):
    parts = [of(np.arange(3), np.arange(3) + 10), of(np.arange(3, 5), np.arange(3, 5) + 10, 'b')]
    whole = joined(parts)
    everything = [result for part in parts for result in part]
    self.assertEqual(len(whole), 5)
    for start in range(-6, 7):
      for end in range(-6, 7):
        self.assertEqual(plain(whole[start:end]), plain(everything[start:end]), (start, end))
    self.assertEqual(plain(whole[::2]), plain(everything[::2]))
    self.assertEqual(whole.values('inference').tolist(), [10, 11, 12, 13, 14])
    self.assertEqual(whole.identified('a').values('model_id'), ['a', 'a', 'a', 'b', 'b'])
    self.assertEqual(whole[1:4].values('model_id'), [None, None, 'b'])

  def test_parts_of_other_kinds(self):
    mixed = joined([of(np.arange(2), np.arange(2)), [PredictionResult(None, 7)]])
    self.assertEqual([result.inference for result in mixed], [0, 1, 7])
    self.assertEqual(joined([]), [])
    shapes = joined([of([1], np.zeros((1, 2))), of([2], np.ones((1, 3)))])
    self.assertEqual([row.tolist() for row in shapes.values('inference')], [[0, 0], [1, 1, 1]])


def field(atomic, listed=False):
  number = schema_pb2.FieldType(atomic_type=atomic)
  of_type = schema_pb2.FieldType(array_type=schema_pb2.ArrayType(element_type=number)) if listed else number
  return schema_pb2.Field(name='inference', type=of_type)


class ColumnTest(unittest.TestCase):
  """A column of one array has the bytes of the same column value by value, and its errors."""

  def check(self, declared, array):
    def packed(values):
      try:
        return PredictionColumn(declared).pack(values)
      except Exception as error:  # pylint: disable=broad-except
        return f'{type(error).__name__}: {getattr(error, "describe", lambda _: error)("")}'

    one = PredictionColumn(declared)
    slow = packed(list(array))
    self.assertEqual(packed(array), slow, (declared, array.dtype, array.shape))
    return one._whole(array) is not None

  def test_numbers(self):
    whole = 0
    for atomic in (schema_pb2.INT64, schema_pb2.INT32, schema_pb2.INT16, schema_pb2.BYTE, schema_pb2.FLOAT,
                   schema_pb2.DOUBLE, schema_pb2.BOOLEAN, schema_pb2.STRING):
      for dtype in (np.int8, np.int64, np.uint8, np.uint64, np.float16, np.float32, np.float64, np.bool_, object, str):
        for values in ([0, 1, 2], [1, 1, 0], [100, 3, 7], []):
          numbers = np.array(values).astype(dtype)
          whole += self.check(field(atomic), numbers)
          whole += self.check(field(atomic), numbers.reshape(-1, 1))
          whole += self.check(field(atomic, True), numbers.reshape(-1, 1))
          if values:
            self.check(field(atomic), np.stack([numbers, numbers], axis=1))
            whole += self.check(field(atomic, True), np.stack([numbers, numbers], axis=1))
    self.assertGreater(whole, 200)

  def test_what_does_not_fit(self):
    for numbers in ([2.0**70, 1], [np.nan, 1], [np.inf, -np.inf], [0.5, 1], [2.0**53 + 2, 1], [1e39, 1]):
      for atomic in (schema_pb2.INT64, schema_pb2.INT16, schema_pb2.FLOAT, schema_pb2.DOUBLE):
        self.check(field(atomic), np.array(numbers))
        self.check(field(atomic, True), np.array([numbers, numbers]))


if __name__ == '__main__':
  unittest.main()
