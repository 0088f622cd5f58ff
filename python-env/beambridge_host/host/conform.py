# SPDX-License-Identifier: Apache-2.0
"""Values of Python as what a TypeScript program declares, by a plan of the type (see declared.py), or refused by their path."""

import collections.abc
import json
import math
import operator
from typing import Any, Callable

import apache_beam as beam
import numpy as np
from apache_beam.utils.timestamp import Timestamp

from beambridge_host import errors

Convert = Callable[[Any], Any]


class Conform:
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


def _converter(plan_: Any) -> Convert:
  kind, *parts = plan_
  if kind == 'row':
    return _row([(name, _at(f'.{name}', _converter(part)), part[0] == 'nullable') for name, part in parts[0]])
  if kind == 'nullable':
    inner = _converter(parts[0])
    return lambda value: None if value is None or _is_null(value) else inner(value)
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
  if kind == 'enumeration':
    return _one_of(parts[0])
  return _SCALARS[kind]


def _is_null(value: Any) -> bool:
  """Whether pandas means none by it: NaT and NA, but not NaN, which is a number."""
  kind = type(value)
  return kind.__name__ in ('NaTType', 'NAType') and kind.__module__.partition('.')[0] == 'pandas'


# numpy's durations are whole numbers to it, in any unit.
_NO_NUMBERS = (bool, np.bool_, np.timedelta64)


def _whole(bits: int) -> Convert:
  least, most = -(1 << bits - 1), (1 << bits - 1) - 1

  def convert(value: Any) -> int:
    if isinstance(value, _NO_NUMBERS) or not isinstance(value, (int, np.integer)):
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
    if isinstance(value, _NO_NUMBERS) or not isinstance(value, (float, int, np.floating, np.integer)):
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


def _one_of(values: list) -> Convert:
  known, text = frozenset(values), _SCALARS['str']

  def convert(value: Any) -> str:
    made = text(value)
    if made not in known:
      raise _Unfit(f'{_describe(value)}, where one of {", ".join(map(json.dumps, values))} is declared')
    return made

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


# Of an enumeration's member `str` says which it is, and not its text.
_SCALARS: dict[str, Convert] = {
    'any': lambda value: value,
    'bool': _guarded(lambda value: isinstance(value, (bool, np.bool_)), 'a boolean', bool),
    'str': _guarded(lambda value: isinstance(value, str), 'a string', str.__str__),
    'bytes': _guarded(lambda value: isinstance(value, (bytes, bytearray)), 'bytes', bytes),
}
