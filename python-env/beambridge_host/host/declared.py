# SPDX-License-Identifier: Apache-2.0
"""Types that a TypeScript program declares for what Python gives untyped.

Beam knows no type for what comes out of a partition, a tagged output or a combiner given by name, and pickles
it. A declaration says what it is: each value is checked against it, and dicts become the rows that are declared.
"""

import typing
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam import coders
from apache_beam.typehints import native_type_compatibility, row_type, typehints

from beambridge_host.host.conform import Conform

_MAPS = (typehints.DictConstraint, typehints.MappingTypeConstraint)


def compared(actual: Any, declared: Any, in_row: bool = False) -> str:
  """'vague' where `actual` leaves open what `declared` says and contradicts it nowhere; else 'same' or 'other'."""
  actual, declared = _normal(actual), _normal(declared)
  if actual in (None, typehints.Any, typing.Any, object) or isinstance(actual, (typing.TypeVar, typehints.TypeVariable)):
    return 'vague'
  if isinstance(actual, typehints.UnionConstraint) and not typehints.is_nullable(actual):
    # Of a main output whose function gives tagged ones too, for one.
    return 'vague' if any(compared(each, declared, in_row) != 'other' for each in actual.union_types) else 'other'
  fields = _fields(declared)
  if fields is not None:
    if actual is dict or isinstance(actual, _MAPS):
      return 'vague'
    others = _fields(actual)
    if others is None or [name for name, _ in others] != [name for name, _ in fields]:
      return 'other'
    return _all(compared(other, field, True) for (_, other), (_, field) in zip(others, fields))
  if typehints.is_nullable(declared):
    inner = typehints.get_concrete_type_from_nullable(declared)
    if typehints.is_nullable(actual):
      return compared(typehints.get_concrete_type_from_nullable(actual), inner, in_row)
    found = compared(actual, inner, in_row)
    return 'vague' if found == 'same' or actual is type(None) else found
  if isinstance(declared, typehints.TupleConstraint):
    if actual is tuple or isinstance(actual, typehints.TupleSequenceConstraint):
      return 'vague'
    if not isinstance(actual, typehints.TupleConstraint) or len(actual.tuple_types) != len(declared.tuple_types):
      return 'other'
    return _all(compared(*pair, in_row) for pair in zip(actual.tuple_types, declared.tuple_types))
  element = _element(declared)
  if element is not None:
    if actual in (list, tuple):
      return 'vague'
    other = _element(actual)
    return 'other' if other is None else _coded(actual, declared, in_row, compared(other, element, in_row))
  if isinstance(declared, _MAPS):
    if actual is dict:
      return 'vague'
    if not isinstance(actual, _MAPS):
      return 'other'
    pairs = ((actual.key_type, declared.key_type), (actual.value_type, declared.value_type))
    return _coded(actual, declared, in_row, _all(compared(*pair, in_row) for pair in pairs))
  return 'same' if actual == declared else 'other'


def _normal(type_: Any) -> Any:
  """Fields of rows are written in Python's own terms."""
  return native_type_compatibility.convert_to_beam_type(type_)


def _coded(actual: Any, declared: Any, in_row: bool, found: str) -> str:
  """A list that is known to be one is pickled outside a row, where an iterable has a coder."""
  if found != 'same' or in_row:
    return found
  registry = coders.registry
  return found if type(registry.get_coder(actual)) is type(registry.get_coder(declared)) else 'vague'


def _all(found: Any) -> str:
  found = set(found)
  return 'other' if 'other' in found else 'vague' if 'vague' in found else 'same'


def _fields(type_: Any) -> Any:
  constraint = row_type.RowTypeConstraint.from_user_type(type_)
  if constraint is None and isinstance(type_, row_type.RowTypeConstraint):
    constraint = type_
  return None if constraint is None else constraint._fields


def _element(type_: Any) -> Any:
  return type_.inner_type if isinstance(type_, typehints.SequenceTypeConstraint) else None


def typed(
    pcoll: beam.PCollection, declared: Any, label: str, transform: str, plan_: Any = None) -> beam.PCollection:
  """The same elements with the declared type, if Beam knows none for them.

  Args:
    plan_: the type as plain data where more is declared than Beam's type says, as by `declared_limits`.
  """
  found = compared(pcoll.element_type, declared)
  plan_ = plan_ or plan(declared)
  # Beam's row coder lets numbers wrap round where they have more bits than their field.
  if found == 'other' or found == 'same' and not _is_narrow(plan_):
    return pcoll
  return pcoll | label >> beam.Map(Conform(plan_, transform)).with_output_types(declared)


def _is_narrow(plan_: Any) -> bool:
  """Whether something in a type is less than Python's: numbers of fewer bits, some texts, times of less precision."""
  if not isinstance(plan_, (list, tuple)):
    return False
  if plan_ == ('instant', 1000) or plan_[:1] == ('enumeration',):
    return True
  if len(plan_) == 2 and plan_[0] in ('int', 'float') and isinstance(plan_[1], int):
    return plan_[1] < 64
  return any(_is_narrow(part) for part in plan_)


def plan(declared: Any) -> Any:
  """A declared type as plain data."""
  declared = _normal(declared)
  fields = _fields(declared)
  if fields is not None:
    return ('row', [(name, plan(field)) for name, field in fields])
  if typehints.is_nullable(declared):
    return ('nullable', plan(typehints.get_concrete_type_from_nullable(declared)))
  if isinstance(declared, typehints.TupleConstraint):
    return ('tuple', [plan(part) for part in declared.tuple_types])
  if isinstance(declared, _MAPS):
    return ('dict', plan(declared.key_type), plan(declared.value_type))
  element = _element(declared)
  if element is not None:
    return ('list', plan(element))
  if isinstance(declared, type):
    if issubclass(declared, (bool, np.bool_)):
      return ('bool',)
    if issubclass(declared, (int, np.integer)):
      return ('int', np.iinfo(declared).bits if issubclass(declared, np.integer) else 64)
    if issubclass(declared, (float, np.floating)):
      return ('float', np.finfo(declared).bits)
    if declared in (str, bytes):
      return (declared.__name__,)
  # Instants, decimals and the like: their coders look.
  return ('any',)
