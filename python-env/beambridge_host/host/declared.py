# SPDX-License-Identifier: Apache-2.0
"""Types that a TypeScript program declares for what Python gives untyped.

Beam knows no type for what comes out of a partition, a tagged output or a combiner given by name, and pickles
it. A declaration says what it is: each value is checked against it, and dicts become the rows that are declared.
"""

import collections.abc
import math
import operator
import typing
from typing import Any, Callable

import apache_beam as beam
import numpy as np
from apache_beam import coders
from apache_beam.typehints import native_type_compatibility, row_type, typehints

from apache_beam.utils.timestamp import Timestamp

from beambridge_host import errors

Convert = Callable[[Any], Any]
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
  return pcoll | label >> beam.Map(_Conform(plan_, transform)).with_output_types(declared)


def _is_narrow(plan_: Any) -> bool:
  """Whether something in a type has fewer bits than Python's own numbers, or less precision than its times."""
  if not isinstance(plan_, (list, tuple)):
    return False
  if plan_ == ('instant', 1000):
    return True
  if len(plan_) == 2 and plan_[0] in ('int', 'float') and isinstance(plan_[1], int):
    return plan_[1] < 64
  return any(_is_narrow(part) for part in plan_)


class _Conform:
  """Makes each value what is declared; holds plain data, since a row's generated class cannot be pickled everywhere."""

  def __init__(self, plan_: Any, transform: str) -> None:
    self._plan = plan_
    self._transform = transform
    self._convert: Any = None

  def __getstate__(self) -> Any:
    return (self._plan, self._transform)

  def __setstate__(self, state: Any) -> None:
    self.__init__(*state)

  def __call__(self, value: Any) -> Any:
    if self._convert is None:
      self._convert = _converter(self._plan)
    try:
      return self._convert(value)
    except _Unfit as unfit:
      raise errors.bridge_error(
          'ROW_MISMATCH',
          f'an output of Python{unfit.path} is {unfit.what}',
          hint='Declare what the Python transform gives, or let it give what is declared.',
          transform=self._transform) from None


def _describe(value: Any) -> str:
  text = repr(value)
  return f'{type(value).__name__} {text if len(text) <= 60 else text[:59] + "…"}'


class _Unfit(Exception):

  def __init__(self, what: str) -> None:
    super().__init__(what)
    self.what = what
    self.path = ''


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


def _converter(plan_: Any) -> Convert:
  kind, *parts = plan_
  if kind == 'row':
    return _row([(name, _at(f'.{name}', _converter(part)), part[0] == 'nullable') for name, part in parts[0]])
  if kind == 'nullable':
    inner = _converter(parts[0])
    return lambda value: None if value is None else inner(value)
  if kind == 'tuple':
    return _tuple([_at(f'[{i}]', _converter(part)) for i, part in enumerate(parts[0])])
  if kind == 'dict':
    key, item = (_at(' (key)', _converter(parts[0])), _at(' (value)', _converter(parts[1])))
    return _guarded(
        lambda value: isinstance(value, collections.abc.Mapping), 'a map',
        lambda value: {key(k): item(v) for k, v in value.items()})
  if kind == 'list':
    element = _at('[]', _converter(parts[0]))
    return _guarded(
        lambda value: isinstance(value, collections.abc.Iterable) and
        not isinstance(value, (str, bytes, collections.abc.Mapping)), 'an array',
        lambda value: [element(each) for each in value])
  if kind == 'int':
    return _whole(parts[0])
  if kind == 'float':
    return _float(parts[0])
  if kind == 'instant':
    return _instant(parts[0])
  return _SCALARS[kind]


def _whole(bits: int) -> Convert:
  least, most = -(1 << bits - 1), (1 << bits - 1) - 1

  def convert(value: Any) -> int:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
      raise _Unfit(f'{_describe(value)}, where a whole number is declared')
    number = operator.index(value)
    if not least <= number <= most:
      raise _Unfit(f'{_describe(value)}, where a whole number of {bits} bits is declared')
    return number

  return convert


def _float(bits: int) -> Convert:
  # Half a step above the largest: from there on a value rounds to infinity.
  info = np.finfo(f'float{bits}')
  overflow = float(info.max) + 2.0 ** (info.maxexp - info.nmant - 2) if bits < 64 else math.inf
  # Rounding of fractions is what floats do; a whole number that is rounded is another one.
  exact = 1 << np.finfo(f'float{bits}').nmant + 1
  # Where it travels as the wider type, no coder rounds it.
  rounded = np.dtype(f'float{bits}').type

  def convert(value: Any) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (float, int, np.floating, np.integer)):
      raise _Unfit(f'{_describe(value)}, where a number is declared')
    is_whole = isinstance(value, (int, np.integer))
    if is_whole and abs(int(value)) > exact and not _keeps(int(value), bits):
      raise _Unfit(f'{_describe(value)}, which a float of {bits} bits would round')
    number = float(value)
    if math.isfinite(number) and abs(number) >= overflow:
      raise _Unfit(f'{_describe(value)}, which is more than a float of {bits} bits holds')
    return number if bits == 64 else float(rounded(number))

  return convert


def _instant(step: int) -> Convert:
  """Times in so many microseconds: Beam's coder of milliseconds cuts off the rest."""

  def convert(value: Any) -> Timestamp:
    if not isinstance(value, Timestamp):
      raise _Unfit(f"{_describe(value)}, where an instant is declared, Beam's Timestamp")
    if value.micros % step:
      raise _Unfit(f'{_describe(value)}, whose microseconds a millisInstant would lose: declare microsInstant')
    return value

  return convert


def _keeps(number: int, bits: int) -> bool:
  try:
    with np.errstate(over='ignore'):
      kept = np.dtype(f'float{bits}').type(number)
    return bool(np.isfinite(kept)) and int(kept) == number
  except OverflowError:
    return False


def _guarded(fits: Callable[[Any], bool], name: str, make: Convert) -> Convert:

  def convert(value: Any) -> Any:
    if not fits(value):
      raise _Unfit(f'{_describe(value)}, where {name} is declared')
    return make(value)

  return convert


def _at(step: str, convert: Convert) -> Convert:

  def located(value: Any) -> Any:
    try:
      return convert(value)
    except _Unfit as unfit:
      unfit.path = step + unfit.path
      raise

  return located


def _tuple(parts: list) -> Convert:
  return _guarded(
      lambda value: isinstance(value, (tuple, list)) and len(value) == len(parts), f'a tuple of {len(parts)}',
      lambda value: tuple(part(each) for part, each in zip(parts, value)))


def _row(fields: list) -> Convert:
  names = {name for name, _, _ in fields}

  def convert(value: Any) -> Any:
    if isinstance(value, collections.abc.Mapping):
      given = value
    elif hasattr(value, '_asdict'):
      given = value._asdict()
    else:
      raise _Unfit(f'{_describe(value)}, where a row with the fields {", ".join(names)} is declared')
    made = {}
    for name, part, optional in fields:
      if name not in given and not optional:
        raise _Unfit(f'without the field {name!r} that is declared; it has {", ".join(map(str, given)) or "none"}')
      made[name] = part(given.get(name))
    if len(given) > len(names) or not names.issuperset(given):
      raise _Unfit(f'with the field {next(name for name in given if name not in names)!r}, which is not declared')
    return beam.Row(**made)

  return convert


_SCALARS: dict[str, Convert] = {
    'any': lambda value: value,
    'bool': _guarded(lambda value: isinstance(value, (bool, np.bool_)), 'a boolean', bool),
    'str': _guarded(lambda value: isinstance(value, str), 'a string', str),
    'bytes': _guarded(lambda value: isinstance(value, (bytes, bytearray)), 'bytes', bytes),
}
