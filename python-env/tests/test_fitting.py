# SPDX-License-Identifier: Apache-2.0
"""Batches in the shape of a model's input, and smaller ones where memory runs out."""

import unittest

import numpy as np

from beambridge_host.errors import BridgeError
from beambridge_host.inference.batching import BatchSizes, in_memory
from beambridge_host.wire.fitting import batch_size, fitted, in_sizes_of


class FittingTest(unittest.TestCase):

  def test_numbers_and_flat_lists_stand_for_shapes_of_their_size(self):
    self.assertEqual(fitted(np.ones(3), [None, 1], 'x').shape, (3, 1))
    self.assertEqual(fitted(np.ones((3, 6)), [None, 1, 2, 3], 'x').shape, (3, 1, 2, 3))
    self.assertEqual(fitted(np.ones((3, 6)), [None, None], 'x').shape, (3, 6))
    with self.assertRaisesRegex(BridgeError, r'the shape \[5\], and the input x of the model takes \[1, 2, 3\]'):
      fitted(np.ones((3, 5)), [None, 1, 2, 3], 'x')

  def test_a_model_of_one_size_of_batch_gets_that_size(self):
    self.assertEqual(batch_size([[1, 3], [1, 2]]), 1)
    self.assertIsNone(batch_size([[None, 3], None]))
    for size in (1, 2, 4):
      for count in (1, 2, 3, 17):
        sizes = []

        def predict(inputs):
          sizes.append(len(inputs['x']))
          return inputs['x'].sum(axis=1)

        rows = np.arange(count * 3.0).reshape(count, 3)
        self.assertEqual([float(each) for each in in_sizes_of(size, {'x': rows}, count, predict)], rows.sum(axis=1).tolist())
        self.assertEqual(set(sizes), {size})

  def test_batches_are_halved_where_memory_runs_out(self):
    sizes = []

    def infer(rows):
      sizes.append(len(rows))
      if len(rows) > 2:
        raise MemoryError()
      return [row * 2 for row in rows]

    self.assertEqual(in_memory(list(range(8)), infer), [row * 2 for row in range(8)])
    self.assertEqual(max(sizes[1:]), 4)

    def never(rows):
      raise MemoryError()

    self.assertRaises(MemoryError, lambda: in_memory([1, 2], never))
    batches = BatchSizes({'max_batch_size': 8})
    batches.too_large(8)
    self.assertEqual([len(part) for part in batches.slices(range(9))], [4, 4, 1])


if __name__ == '__main__':
  unittest.main()
