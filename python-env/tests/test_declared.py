# SPDX-License-Identifier: Apache-2.0
"""Declared types of what Python leaves untyped."""

import typing
import unittest

import apache_beam as beam
import numpy as np
from apache_beam.internal import pickler
from apache_beam.typehints import row_type, typehints

from beambridge_host.errors import BridgeError
from beambridge_host.host import declared


def row(**fields):
  return row_type.RowTypeConstraint.from_fields(list(fields.items()))


class VagueTest(unittest.TestCase):

  def test_what_nothing_is_known_of_is_vague(self):
    for actual, wanted in (
        (typehints.Any, str), (None, int), (typehints.Tuple[str, typehints.Any], typehints.Tuple[str, int]),
        (typehints.Dict[str, int], row(a=int)), (dict, row(a=int)), (row(a=typehints.Any), row(a=int)),
        (typehints.Union[beam.pvalue.TaggedOutput, typehints.Dict[str, str]], row(w=str)),
        (typehints.List[int], typehints.Iterable[int]), (int, typehints.Optional[int])):
      self.assertEqual(declared.compared(actual, wanted), 'vague', (actual, wanted))

  def test_what_is_known_stays(self):
    for actual, wanted in (
        (str, str), (str, int), (int, str), (row(a=int), row(a=int)), (row(a=int), row(b=int)),
        (row(a=typing.List[int]), row(a=typing.Sequence[int])), (typehints.Tuple[int, typehints.Any], typehints.Tuple[str, int]),
        (typehints.Iterable[int], typehints.Iterable[int])):
      self.assertNotEqual(declared.compared(actual, wanted), 'vague', (actual, wanted))


class ConformTest(unittest.TestCase):

  def conform(self, type_, value):
    step = pickler.loads(pickler.dumps(declared._Conform(declared.plan(type_), 'T')))
    return step(value)

  def test_dicts_become_rows_and_numbers_of_numpy_pythons(self):
    made = self.conform(
        typehints.Tuple[str, row(n=int, x=typehints.Optional[float], tags=typing.Sequence[str])],
        ('k', {'n': np.int32(3), 'tags': ('a',)}))
    self.assertEqual(made, ('k', beam.Row(n=3, x=None, tags=['a'])))
    self.assertIs(type(made[1].n), int)

  def test_what_does_not_fit_is_refused_by_its_path(self):
    for type_, value, text in (
        (str, 1, 'an output of Python is int 1, where a string is declared'),
        (int, True, 'bool True, where a whole number'), (int, 1.0, 'float 1.0, where a whole number'),
        (typehints.Iterable[str], 'abc', "str 'abc', where an array"),
        (row(a=int), {'a': 1, 'b': 2}, "with the field 'b', which is not declared"),
        (row(a=int), {}, "without the field 'a'"), (row(a=row(b=str)), {'a': {'b': None}}, 'Python.a.b is NoneType'),
        (typehints.Tuple[str, int], ('a', 1, 2), 'a tuple of 2')):
      with self.assertRaises(BridgeError) as caught:
        self.conform(type_, value)
      self.assertIn(text, str(caught.exception))
      self.assertIn('ROW_MISMATCH', str(caught.exception))

  def test_numbers_are_neither_cut_nor_rounded(self):
    for type_, value, text in (
        (row(v=np.int32), {'v': 2**31}, '.v is int 2147483648, where a whole number of 32 bits'),
        (row(v=np.int32), {'v': np.int64(-2**31 - 1)}, 'a whole number of 32 bits'),
        (row(v=np.int16), {'v': 40000}, 'a whole number of 16 bits'), (row(v=np.int8), {'v': 200}, 'a whole number of 8 bits'),
        (row(v=int), {'v': 2**63}, 'a whole number of 64 bits'),
        (row(v=typing.Sequence[np.int32]), {'v': [1, 2**31]}, 'Python.v[] is int 2147483648'),
        (row(v=np.float32), {'v': 1e39}, 'more than a float of 32 bits holds'),
        (row(v=np.float32), {'v': 2**24 + 1}, 'which a float of 32 bits would round'),
        (row(v=float), {'v': 2**53 + 1}, 'which a float of 64 bits would round'), (row(v=float), {'v': 10**400}, 'would round')):
      with self.subTest(value), self.assertRaises(BridgeError) as caught:
        self.conform(type_, value)
      self.assertIn(text, str(caught.exception))
    for type_, value in ((np.int32, -2**31), (np.int8, 127), (np.float32, 2**24), (np.float32, 2**30), (np.float32, 0.1),
                         (np.float32, float('inf')), (float, 2**53), (float, 2**60), (np.float32, 3.4028235e38)):
      self.assertEqual(self.conform(row(v=type_), {'v': value}).v, value)

  def test_rows_whose_type_is_known_are_looked_at_where_their_numbers_are_narrow(self):
    with beam.Pipeline() as pipeline:
      known = pipeline | beam.Create([beam.Row(v=1)]) | beam.Map(lambda r: r).with_output_types(row(v=np.int32))
      self.assertIsNot(declared.typed(known, row(v=np.int32), 'Declared', 'T'), known)
      wide = known | 'Wide' >> beam.Map(lambda r: beam.Row(int=1)).with_output_types(row(int=int))
      self.assertIs(declared.typed(wide, row(int=int), 'Wide/Declared', 'T'), wide)


if __name__ == '__main__':
  unittest.main()
