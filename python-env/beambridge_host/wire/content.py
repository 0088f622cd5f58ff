# SPDX-License-Identifier: Apache-2.0
"""Whether examples hold what the rows hold, in another order: pandas, numpy and JSON give copies of what they sort.

Most handlers give the rows, or copies of them, in their places, so that these are looked at first, and what is dear (a digest of
each) comes only where some of what each holds is that of the rows in another order.

Numbers are equal by value whatever their type, arrays and lists of them by shape and numbers. NaN is equal to itself.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import datetime
import hashlib
import math
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any, Callable, Hashable, NamedTuple, Optional, Sequence

import numpy as np

from beambridge_host.wire.exact_numbers import as_numpy, is_null

_PLAIN = frozenset((str, int, bytes, bool, type(None)))
_SEQUENCES = (list, tuple, np.ndarray)
# Below it a double holds every whole number.
_EXACT = 2**53
# So many numbers of an array tell most from each other.
_SOME = 16


class _Lost(NamedTuple):
  """What copies may have lost."""
  # Zeros have lost their sign, as those of -x, and pandas has NaN for null.
  missing: bool
  # Fractions have become float32.
  fractions: bool


# Rows in another order are so in one of these, and in no laxer one may they be in their order by chance.
_LOSSES = (_Lost(False, False), _Lost(True, False), _Lost(True, True))


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
    if not isinstance(value, _SEQUENCES):
      return value
  array = _array(value)
  if array is not None:
    return array.shape, numbers(array, lost)
  return tuple(_content(part, lost, numbers) for part in (value.tolist() if isinstance(value, np.ndarray) else value))


def _fraction(value: float, lost: _Lost) -> Hashable:
  if value != value:
    return None if lost.missing else _NaN
  if value == 0:
    return 0 if lost.missing or math.copysign(1, value) > 0 else _NegativeZero
  return float(np.float32(value)) if lost.fractions else value


def _array(values: Any) -> Optional[np.ndarray]:
  """Numbers; None where they are none, or not all."""
  if not isinstance(values, np.ndarray):
    if not values or not isinstance(values[0], (int, float, np.number, *_SEQUENCES)):
      return None
    try:
      values = np.asarray(values)
    except ValueError:
      return None  # Lists of several lengths.
  return values if values.dtype.kind in 'biuf' else None


def _some(values: np.ndarray, lost: _Lost) -> Hashable:
  """Some of the numbers, from all parts of an array."""
  return _digest(values.reshape(-1)[::max(1, values.size // _SOME)], lost)


def _digest(values: np.ndarray, lost: _Lost) -> Hashable:
  """A digest of all numbers."""
  if values.dtype.itemsize > 4 and values.dtype != np.float64:
    if values.dtype.kind == 'f' or values.size and (values.max() >= _EXACT or values.min() <= -_EXACT):
      return values.dtype.str, hashlib.blake2b(values.tobytes(), digest_size=16).digest()
  with np.errstate(over='ignore'):
    numbers = values.astype(np.float32 if lost.fractions else np.float64)
  if lost.missing:
    numbers += 0.0  # Both zeros are equal,
    numbers[np.isnan(numbers)] = np.nan  # and so are all kinds of NaN.
  return hashlib.blake2b(numbers.tobytes(), digest_size=16).digest()


def _are_same(given: Any, wanted: Any) -> bool:
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
    given, wanted = (_array(each) if isinstance(each, _SEQUENCES) else None for each in (given, wanted))
  if not isinstance(given, np.ndarray) or not isinstance(wanted, np.ndarray):
    return False
  if given.shape != wanted.shape or given.dtype != wanted.dtype or given.dtype.kind not in 'biuf':
    return False
  if given.dtype.kind == 'f' and given.dtype.itemsize <= 8:
    # NaN is equal to itself so, and zeros are told from each other.
    whole = f'u{given.dtype.itemsize}'
    given, wanted = given.view(whole), wanted.view(whole)
  return np.array_equal(given, wanted)


def as_array(values: Any) -> Any:
  """A tensor as an array, fetched at once and not row by row from where a model runs; anything else as it is."""
  try:
    return as_numpy(values) if len(getattr(values, 'shape', ())) and hasattr(values, 'dtype') else values
  except Exception:  # pylint: disable=broad-except
    return values  # A tensor of which numpy has none, such as a sparse one.


def _fetched(values: Sequence[Any]) -> Sequence[Any]:
  """The same of a list of tensors of one type."""
  torch = sys.modules.get('torch')
  if torch is None or not all(isinstance(each, torch.Tensor) and each.layout is torch.strided for each in values):
    return values
  if len({(each.dtype, each.device) for each in values}) > 1:
    return values
  whole = torch.cat([each.detach().reshape(-1) for each in values]).cpu()
  return [part.reshape(each.shape) for part, each in zip(whole.split([each.numel() for each in values]), values)]


def _fields(value: Any) -> Optional[Mapping[Any, Any]]:
  """The named parts of a row, in whichever class it is; None for what has none."""
  if isinstance(value, Mapping):
    return value
  if hasattr(value, 'iloc') and value.ndim == 1:
    return value.to_dict()
  if not isinstance(value, tuple) or not hasattr(value, '_asdict'):
    return None
  fields = value._asdict()
  if type(value).__name__ == 'Pandas':
    fields.pop('Index', None)  # What itertuples() puts in front.
  return fields


def in_other_order(examples: Sequence[Any], rows: Sequence[Any], keys: Sequence[Hashable] = ()) -> bool:
  """Whether examples hold what rows hold, as often, and not each what its own row holds.

  Args:
    keys: that of each example and its row, where they have some.
  """
  try:
    examples = _fetched(examples)
    places = [place for place, pair in enumerate(zip(examples, rows)) if not _are_same(*pair)]
    if len(places) < 2:
      return False
    given, wanted = [examples[place] for place in places], [rows[place] for place in places]
    if _fields(given[0]) is not None and _fields(wanted[0]) is not None:
      given, wanted = list(map(_fields, given)), list(map(_fields, wanted))
    of = [keys[place] for place in places] if keys else [None] * len(places)
    return any(_moved(given, wanted, of, lost) for lost in _LOSSES)
  except Exception:  # pylint: disable=broad-except
    return False  # Code of the values' own classes.


def _moved(given: Sequence[Any], wanted: Sequence[Any], keys: Sequence[Hashable], lost: _Lost) -> bool:
  looks = _matched(given, wanted, keys, lambda value: _content(value, lost, _some))
  if looks is None or looks[0] == looks[1] and len(set(looks[0])) == len(looks[0]):
    return False  # Each is like its own row, and like no other.
  matched = _matched(given, wanted, keys, lambda value: _content(value, lost, _digest))
  return matched is not None and matched[0] != matched[1]


def _matched(
    given: Sequence[Any], wanted: Sequence[Any], keys: Sequence[Hashable],
    of: Callable[[Any], Hashable]) -> Optional[tuple[list[Hashable], list[Hashable]]]:
  """What values hold, and what those hold that they may be copies of; None unless they are, as often."""
  all_wanted = [(key, of(value)) for key, value in zip(keys, wanted)]
  left = Counter(all_wanted)
  found: list[Hashable] = []
  for key, value in zip(keys, given):
    each = (key, of(value))
    if not left[each]:
      return None  # Whoever makes its examples otherwise makes the first so.
    left[each] -= 1
    found.append(each)
  return found, all_wanted
