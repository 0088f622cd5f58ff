# SPDX-License-Identifier: Apache-2.0
"""Whether examples hold what the rows hold, in another order: pandas, numpy and JSON give copies of what they sort.

Most handlers give the rows, or copies of them, in their places, so that these are looked at first, and what is dear (a digest of
each) comes only where some of what each holds is that of other rows.

Numbers are equal by value whatever their type, arrays and lists of them by shape and numbers. NaN is equal to itself.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import datetime
import hashlib
import itertools
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, Callable, Hashable, NamedTuple, Optional, Sequence

import numpy as np

from beambridge_host.wire.exact_numbers import as_float, as_numpy, is_null
from beambridge_host.wire.row_forms import SEQUENCES, in_one_form

_PLAIN = frozenset((str, int, bytes, bool, type(None)))
_NUMBERS = (int, float, np.number)
# Below it a double holds every whole number.
_EXACT = 2**53
# So many numbers of an array tell most from each other.
_SOME = 16


class _Lost(NamedTuple):
  """What copies may have lost."""
  # Zeros have lost their sign, as those of -x, and pandas has NaN for null.
  missing: bool
  # Fractions have become of this type.
  fractions: Optional[np.dtype]


# What is equal in one of these is so in all that follow.
_LOSSES = (_Lost(False, None), _Lost(True, None), _Lost(True, np.dtype(np.float32)))
_HALVES = _Lost(True, np.dtype(np.float16))


class _NaN:
  """Stands for NaN, which is not equal to itself."""


class _NegativeZero:
  """Stands for -0.0, which is equal to 0.0."""


def _content(value: Any, lost: _Lost, numbers: Callable[[np.ndarray, _Lost], Hashable]) -> Hashable:
  """What is equal for equal values. Raises TypeError for what can be compared with nothing."""
  if isinstance(value, np.generic) and value.dtype.kind not in 'mM':
    value = value.item()  # The number of a time depends on its unit.
  if type(value) in _PLAIN:
    return value
  if isinstance(value, float):
    return _fraction(value, lost)
  if is_null(value):
    return None
  if isinstance(value, Mapping):
    return frozenset((name, _content(part, lost, numbers)) for name, part in value.items())
  if isinstance(value, bytearray):
    return bytes(value)
  if isinstance(value, (datetime.date, datetime.timedelta, np.generic)):
    return value  # Those of pandas are some.
  if not isinstance(value, (list, tuple)):
    value = as_numpy(value)
    if not isinstance(value, SEQUENCES):
      return value
  if isinstance(value, np.ndarray) and not value.ndim:
    return _content(value[()], lost, numbers)
  if isinstance(value, np.ndarray) and value.dtype == object:
    value = value.tolist()
  if lost.missing and isinstance(value, (list, tuple)) and any(part is None for part in value):
    value = [math.nan if part is None else part for part in value]
  array = _array(value)
  if array is not None and array.size:
    # An axis for a batch of one says nothing.
    return tuple(itertools.dropwhile(lambda size: size == 1, array.shape)), numbers(array, lost)
  return tuple(_content(part, lost, numbers) for part in (value.tolist() if isinstance(value, np.ndarray) else value))


def _fraction(value: float, lost: _Lost) -> Hashable:
  if value != value:
    return None if lost.missing else _NaN
  if value == 0:
    return 0 if lost.missing or math.copysign(1, value) > 0 else _NegativeZero
  return as_float(value, lost.fractions) if lost.fractions else value


def _array(values: Any) -> Optional[np.ndarray]:
  """Numbers; None where they are none, or not all."""
  if not isinstance(values, np.ndarray):
    if not values or not isinstance(values[0], (*_NUMBERS, *SEQUENCES)):
      return None
    try:
      values = np.asarray(values)
    except ValueError:
      return None  # Lists of several lengths.
  return values if values.dtype.kind in 'biuf' else None


def _some(values: np.ndarray, lost: _Lost) -> Hashable:
  """Some of the numbers, from all parts of an array."""
  return _digest(_some_of(values), lost)


def _some_of(values: np.ndarray) -> np.ndarray:
  return values.reshape(-1)[::max(1, values.size // _SOME)]


def _digest(values: np.ndarray, lost: _Lost) -> Hashable:
  """A digest of all numbers."""
  if values.dtype.itemsize > 4 and values.dtype != np.float64:
    if values.dtype.kind == 'f' or values.size and (values.max() >= _EXACT or values.min() <= -_EXACT):
      return values.dtype.str, hashlib.blake2b(values.tobytes(), digest_size=16).digest()
  return hashlib.blake2b(_as_lost(values, lost).tobytes(), digest_size=16).digest()


def _as_lost(values: np.ndarray, lost: _Lost) -> np.ndarray:
  """Numbers as copies may have them, of one type."""
  numbers = values.astype(np.float64)
  if lost.fractions:
    with np.errstate(over='ignore'):
      numbers = numbers.astype(lost.fractions)
  if lost.missing:
    numbers += 0.0  # Both zeros are equal,
    numbers[np.isnan(numbers)] = np.nan  # and so are all kinds of NaN.
  return numbers


def are_same(given: Any, wanted: Any) -> bool:
  """Whether values are the same at a glance: what is not so may be, and is looked at again."""
  if given is wanted:
    return True
  if isinstance(given, float) and isinstance(wanted, float):
    return given == wanted and math.copysign(1, given) == math.copysign(1, wanted)
  if type(given) in _PLAIN or isinstance(given, (list, tuple, Mapping)):
    if type(given) is type(wanted):
      try:
        return bool(given == wanted)
      except Exception:  # pylint: disable=broad-except
        return False  # They hold arrays or tensors.
    if not isinstance(given, (list, tuple)):
      return False
  given, wanted = as_numpy(given), as_numpy(wanted)
  if isinstance(given, np.ndarray) != isinstance(wanted, np.ndarray):
    given, wanted = (_array(each) if isinstance(each, SEQUENCES) else None for each in (given, wanted))
  if not isinstance(given, np.ndarray) or not isinstance(wanted, np.ndarray):
    return False
  if given.shape != wanted.shape or given.dtype != wanted.dtype or given.dtype.kind not in 'biuf':
    return False
  if given.dtype.kind == 'f' and given.dtype.itemsize <= 8:
    # NaN is equal to itself so, and zeros are told from each other.
    whole = f'u{given.dtype.itemsize}'
    given, wanted = given.view(whole), wanted.view(whole)
  return np.array_equal(given, wanted)


def contents(rows: Sequence[Any]) -> Optional[list[Hashable]]:
  """What is equal for equal rows; None where that cannot be told."""
  try:
    return [_content(row, _LOSSES[0], _digest) for row in rows]
  except Exception:  # pylint: disable=broad-except
    return None  # Code of the values' own classes.


def in_other_order(examples: Sequence[Any], rows: Sequence[Any], keys: Sequence[Hashable]) -> bool:
  """Whether examples hold what rows hold, as often, and not each what its own row holds. Those that are None say nothing.

  Args:
    keys: that of each example and its row.
  """
  if all(example is None for example in examples):
    return False
  try:
    given, wanted = in_one_form(examples, rows)
    losses = (*_LOSSES, _HALVES) if any(map(_has_halves, given[:1])) else _LOSSES
    looks = _looks(wanted, losses[-1])
    found = None if looks is None else _looks(given, losses[-1])
    if looks is not None and found is not None and _are_in_places(found, looks):
      return False
    places = [place for place, pair in enumerate(zip(given, wanted)) if not are_same(*pair)]
    if len(places) < 2 or all(given[place] is None for place in places):
      return False
    return _moved(*([values[place] for place in places] for values in (given, wanted, keys)), losses)
  except Exception:  # pylint: disable=broad-except
    return False  # Code of the values' own classes.


def _has_halves(value: Any) -> bool:
  if isinstance(value, Mapping):
    return any(map(_has_halves, value.values()))
  return getattr(value, 'dtype', None) == np.float16


def _are_in_places(found: Sequence[Hashable], looks: Sequence[Hashable]) -> bool:
  """Whether looks say that nothing was moved: each is like its own row and like no other, or some are like none."""
  return len(set(looks)) == len(looks) if found == looks else Counter(found) != Counter(looks)


def _looks(values: Sequence[Any], lost: _Lost) -> Optional[list[bytes]]:
  """Some numbers of each array, or each number, as all copies have them; None where these are none of one size."""
  is_whole = type(values) is np.ndarray or all(issubclass(kind, _NUMBERS) for kind in set(map(type, values)))
  whole = _array(values) if is_whole else None
  if whole is not None and whole.size:
    parts = whole.reshape(len(whole), -1)
    return [row.tobytes() for row in _as_lost(parts[:, ::max(1, parts.shape[1] // _SOME)], lost)]
  some: list[np.ndarray] = []
  sizes: set[int] = set()
  for each in values:
    array = _array(each) if isinstance(each, SEQUENCES) and not isinstance(each, np.ma.MaskedArray) else None
    sizes.add(-1 if array is None else array.size)
    if array is None or len(sizes) > 1:
      return None
    some.append(_some_of(array).copy())
  return [row.tobytes() for row in _as_lost(np.concatenate(some).reshape(len(some), len(some[0])), lost)]


def _moved(given: Sequence[Any], wanted: Sequence[Any], keys: Sequence[Hashable], losses: Sequence[_Lost]) -> bool:
  looks = _matched(given, wanted, keys, lambda value: _content(value, losses[-1], _some))
  if looks is None:
    return False
  often = Counter(looks[1])
  # The others are like their own rows, and like no other.
  places = [place for place, (look, own) in enumerate(zip(*looks)) if look != own or often[own] > 1 or given[place] is None]
  given, wanted, keys = ([values[place] for place in places] for values in (given, wanted, keys))
  for lost in losses:
    matched = _matched(given, wanted, keys, lambda value: _content(value, lost, _digest))  # pylint: disable=cell-var-from-loop
    if matched is not None:
      return matched[0] != matched[1]
  return False


def _matched(
    given: Sequence[Any], wanted: Sequence[Any], keys: Sequence[Hashable],
    of: Callable[[Any], Hashable]) -> Optional[tuple[list[Hashable], list[Hashable]]]:
  """What values hold, or their own rows in place of None, and what those hold that they may be copies of; None unless they are."""
  all_wanted = [(key, of(value)) for key, value in zip(keys, wanted)]
  left = Counter(all_wanted)
  found: list[Hashable] = []
  for key, value, row, own in zip(keys, given, wanted, all_wanted):
    if value is None and row is not None:
      found.append(own)
      continue
    each = (key, of(value))
    if not left[each]:
      return None  # Whoever makes its examples otherwise makes the first so.
    left[each] -= 1
    found.append(each)
  return found, all_wanted
