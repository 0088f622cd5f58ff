# SPDX-License-Identifier: Apache-2.0
"""Declared types of what Python leaves untyped."""

import typing
import unittest

import apache_beam as beam
import numpy as np
from apache_beam.internal import pickler
from apache_beam.portability.api import beam_runner_api_pb2, schema_pb2
from apache_beam.typehints import row_type, typehints
from apache_beam.utils.timestamp import Timestamp

from beambridge_host.errors import BridgeError
from beambridge_host.host import declared
from beambridge_host.host.conform import Conform
from beambridge_host.host.declared_limits import limited


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
    step = pickler.loads(pickler.dumps(Conform(declared.plan(type_), 'T')))
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
    for type_, value in ((np.int32, -2**31), (np.int8, 127), (np.float32, 2**24), (np.float32, 2**30), (np.float32, 0.5),
                         (np.float32, float('inf')), (float, 2**53), (float, 2**60), (np.float32, 3.4028234663852886e38)):
      self.assertEqual(self.conform(row(v=type_), {'v': value}).v, value)
    self.assertEqual(self.conform(row(v=np.float32), {'v': 0.1}).v, float(np.float32(0.1)))

  def test_limits_of_bare_numbers_and_of_instants_are_told_by_the_coder(self):
    A = schema_pb2.AtomicType
    def logical(urn):
      return schema_pb2.FieldType(logical_type=schema_pb2.LogicalType(urn=f'beam:logical_type:{urn}:v1'))
    fields = {
        'ms': logical('millis_instant'), 'us': logical('micros_instant'),
        'all': schema_pb2.FieldType(array_type=schema_pb2.ArrayType(element_type=logical('millis_instant'))),
        'n': schema_pb2.FieldType(atomic_type=A.INT32, nullable=True)}
    schema = schema_pb2.Schema(fields=[schema_pb2.Field(name=name, type=type_) for name, type_ in fields.items()])
    components = beam_runner_api_pb2.Components()
    def coder(id_, urn, *parts, payload=b''):
      components.coders[id_].spec.urn = f'beam:coder:{urn}:v1'
      components.coders[id_].spec.payload = payload
      components.coders[id_].component_coder_ids.extend(parts)
    coder('narrow', 'varint', payload=b'int16')
    coder('wide', 'varint')
    coder('single', 'double', payload=b'float32')
    coder('list', 'iterable', 'narrow')
    coder('known', 'string_utf8', payload=b'enumeration:["a", "\\u00e4"]')
    coder('text', 'string_utf8')
    coder('all_known', 'iterable', 'known')
    coder('keyed', 'kv', 'text', 'known')
    coder('optional', 'nullable', 'list')
    coder('kv', 'kv', 'wide', 'single')
    coder('row', 'row', payload=schema.SerializeToString())
    optional = typehints.Optional[typehints.Iterable[int]]
    pair = typehints.Tuple[int, float]
    for id_, type_, plan in (
        ('narrow', int, ('int', 16)), ('wide', int, ('int', 64)), ('optional', optional, ('nullable', ('list', ('int', 16)))),
        ('kv', pair, ('tuple', [('int', 64), ('float', 32)])),
        ('known', str, ('enumeration', ['a', 'ä'])), ('text', str, ('str',)),
        ('all_known', typehints.Iterable[str], ('list', ('enumeration', ['a', 'ä']))),
        ('keyed', typehints.Tuple[str, str], ('tuple', [('str',), ('enumeration', ['a', 'ä'])])),
        ('row', row(ms=Timestamp, us=Timestamp, all=typing.Sequence[Timestamp], n=typing.Optional[np.int32]), ('row', [
            ('ms', ('instant', 1000)), ('us', ('instant', 1)), ('all', ('list', ('instant', 1000))),
            ('n', ('nullable', ('int', 32)))]))):
      self.assertEqual(limited(declared.plan(type_), id_, components), plan)
    self.assertTrue(declared._is_narrow(('list', ('instant', 1000))))
    self.assertFalse(declared._is_narrow(('row', [('ms', ('instant', 1))])))

  def test_other_values_than_those_of_an_enumeration_are_refused(self):
    plan = ('tuple', [('str',), ('nullable', ('list', ('enumeration', ['a', 'b'])))])
    self.assertTrue(declared._is_narrow(plan))
    self.assertEqual(Conform(plan, 'T')(('z', ['b', 'a'])), ('z', ['b', 'a']))
    self.assertEqual(Conform(plan, 'T')(('z', None)), ('z', None))
    for value, text in ((['a', 'z'], """Python[1][] is str 'z', where one of "a", "b" is declared"""), ([1], 'int 1, where a string')):
      with self.assertRaises(BridgeError) as caught:
        Conform(plan, 'T')(('z', value))
      self.assertIn(text, str(caught.exception))
      self.assertIn('ROW_MISMATCH', str(caught.exception))

  def test_instants_are_not_cut(self):
    for value, text in ((Timestamp(micros=1234567), 'whose microseconds a millisInstant would lose'),
                        (Timestamp(micros=-1), 'microseconds'), (1, 'where an instant is declared')):
      with self.assertRaises(BridgeError) as caught:
        Conform(('instant', 1000), 'T')(value)
      self.assertIn(text, str(caught.exception))
    self.assertEqual(Conform(('instant', 1000), 'T')(Timestamp(micros=-5000)).micros, -5000)
    self.assertEqual(Conform(('instant', 1), 'T')(Timestamp(micros=7)).micros, 7)

  def test_rows_whose_type_is_known_are_looked_at_where_their_numbers_are_narrow(self):
    with beam.Pipeline() as pipeline:
      known = pipeline | beam.Create([beam.Row(v=1)]) | beam.Map(lambda r: r).with_output_types(row(v=np.int32))
      self.assertIsNot(declared.typed(known, row(v=np.int32), 'Declared', 'T'), known)
      wide = known | 'Wide' >> beam.Map(lambda r: beam.Row(int=1)).with_output_types(row(int=int))
      self.assertIs(declared.typed(wide, row(int=int), 'Wide/Declared', 'T'), wide)


if __name__ == '__main__':
  unittest.main()
