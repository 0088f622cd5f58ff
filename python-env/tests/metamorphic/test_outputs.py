# SPDX-License-Identifier: Apache-2.0
"""Every form of output under every declared type, in every size of a batch and many ways: right, or refused."""

import sys
import unittest
from typing import Any

import numpy as np
from apache_beam.portability.api import schema_pb2

from tests.metamorphic import driver, forms, libraries
from tests.metamorphic.driver import Refused, Way, plain
from tests.test_columns import array_of, atomic, field

EXAMPLE = field(array_of(atomic(schema_pb2.DOUBLE)), 'example')
ROWS = np.random.default_rng(7).normal(1.0, 1.5, (17, forms.WIDTH))
PLAINLY = Way(False, False, False, 1)


class OutputsTest(unittest.TestCase):

  def check(self, name: str, library: Any, more: bool, make: Any) -> int:
    counted = 0
    known = {**forms.common(library), **(forms.of_numpy(None) if more else {})}
    for form_name, form in known.items():
      if name == 'onnx' and not _is_onnx(form_name) or name == 'custom' and form_name in _EACH:
        continue
      for declared, inference in forms.DECLARED.items():
        if name == 'onnx' and declared.startswith('row'):
          continue  # A session is asked for the fields by name, which a load of the model checks.
        if name == 'huggingface' and form_name.startswith('a dict') and not declared.startswith('row'):
          continue  # Documented: the first output is taken.
        handler = make(form.give, declared)
        classes = set()
        for size in driver.SIZES:
          ways = _ways(size, declared in form.right and not (_is_either(name, form_name)))
          for way in driver.sampled(ways, name, form_name, declared, size):
            places = np.random.default_rng(size).permutation(17)[:size]
            rows = [ROWS[place] for place in places]
            found = driver.run(handler, EXAMPLE, inference, rows, way)
            what = (name, form_name, declared, size, way, found)
            right = None if _is_either(name, form_name) else form.right.get(declared)
            for row, outcome in zip(rows, found):
              if isinstance(outcome, Refused):
                self.assertEqual(outcome.code, 'INFERENCE_MISMATCH', what)
              else:
                self.assertIsNotNone(right, what)
                self.assertEqual(outcome, plain(right(row)), what)
              classes.add(isinstance(outcome, Refused))
            counted += 1
        if not form.by_size:
          self.assertEqual(len(classes), 1, (name, form_name, declared))
    return counted

  def test_all(self):
    total = 0
    for name, library, more, make in libraries.handlers():
      with self.subTest(name):
        counted = self.check(name, library, more, make)
        print(f'metamorphic outputs: {name}: {counted} combinations', file=sys.stderr)
        total += counted
    print(f'metamorphic outputs: {total} combinations', file=sys.stderr)


# What a handler of a user's own gives in a list is a prediction for each example: that is its contract.
_EACH = ('a list of 2', 'a list of 2 matrices', 'a list of 3', 'list of arrays', 'list of pairs', 'list of triples', 'list of batches of one')
_LISTED = ('a list of 2', 'a list of 3')


def _is_either(name: str, form: str) -> bool:
  """Whether it is a list that may hold outputs, or a prediction for each example: arrays in one are refused."""
  return name.endswith('inference_fn') and form in (*_LISTED, 'a list of 2 matrices') or (
      name.startswith(('sklearn', 'xgboost')) and form in _LISTED)


def _ways(size: int, is_right: bool) -> tuple[Way, ...]:
  if is_right and size == 3:
    return (PLAINLY, *(way for way in driver.WAYS if way != PLAINLY))
  ways = (PLAINLY, Way(True, True, True, 2), Way(False, True, False, 1), Way(False, False, False, 1, True),
          Way(False, True, False, 1, True, True), Way(False, False, False, 2))
  return ways if is_right else ways[:4]


def _is_onnx(form: str) -> bool:
  return form in ('numbers', 'numbers in a column', 'vectors', 'squeezed numbers', 'squeezed vectors', 'transposed',
                  'a number for all')


if __name__ == '__main__':
  unittest.main()
