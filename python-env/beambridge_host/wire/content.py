# SPDX-License-Identifier: Apache-2.0
"""What a value holds, to find it again among others: pandas, numpy and JSON give copies of what they sort.

Numbers are equal by value whatever their type, arrays and lists of them by shape and numbers. NaN is equal to itself.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import datetime
import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Any, Callable, Hashable, Optional, Sequence

import numpy as np

from beambridge_host.wire.exact_numbers import as_numpy, is_null

_PLAIN = frozenset((str, int, bytes, bool, type(None)))
_SEQUENCES = (list, tuple, np.ndarray)
# Below it a double holds every whole number.
_EXACT = 2**53


class _NaN:
  """Stands for NaN, which is not equal to itself."""


def content(value: Any, nan: Any = _NaN) -> Hashable:
  """What is equal for equal values. Raises TypeError for what can be compared with nothing."""
  if type(value) in _PLAIN:
    return value
  if isinstance(value, float):
    return value if value == value else nan
  if is_null(value):
    return None
  if isinstance(value, np.generic):
    # The number of a time depends on its unit.
    return value if value.dtype.kind in 'mM' else content(value.item(), nan)
  if isinstance(value, Mapping):
    return frozenset((name, content(part, nan)) for name, part in value.items())
  if isinstance(value, bytearray):
    return bytes(value)
  if isinstance(value, (datetime.date, datetime.timedelta)):
    return value  # Those of pandas are some.
  if not isinstance(value, (list, tuple)):
    value = as_numpy(value)
    if not isinstance(value, _SEQUENCES):
      return value
  return _numbers(value) or tuple(content(part, nan) for part in (value.tolist() if isinstance(value, np.ndarray) else value))


def _numbers(values: Any) -> Optional[Hashable]:
  """The shape and a digest of numbers; None where they are none, or not all."""
  if not isinstance(values, np.ndarray):
    if not values or not isinstance(values[0], (int, float, np.number, *_SEQUENCES)):
      return None
    try:
      values = np.asarray(values)
    except ValueError:
      return None  # Lists of several lengths.
  if values.dtype.kind not in 'biuf':
    return None
  if values.dtype.itemsize > 4 and values.dtype != np.float64:
    if values.dtype.kind == 'f' or values.size and (values.max() >= _EXACT or values.min() <= -_EXACT):
      return values.shape, values.dtype.str, hashlib.blake2b(values.tobytes(), digest_size=16).digest()
  # Both zeros are equal.
  return values.shape, hashlib.blake2b((values.astype(np.float64) + 0.0).tobytes(), digest_size=16).digest()


def _look(value: Any) -> Any:
  """What can be told at once, and is alike for equal values."""
  if isinstance(value, (str, bytes)):
    return str if isinstance(value, str) else bytes, len(value)
  if isinstance(value, Mapping):
    return Mapping, len(value)
  shape = getattr(value, 'shape', None)
  if shape is not None and len(shape):
    return Sequence, int(shape[0])
  return (Sequence, len(value)) if isinstance(value, (list, tuple)) else None


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


def same_contents(given: Sequence[Any], wanted: Sequence[Any]) -> Optional[tuple[list[Hashable], list[Hashable]]]:
  """What values hold, and what those hold that they may be copies of; None unless they are, as often."""
  if len(given) != len(wanted) or not len(given):
    return None
  try:
    if _fields(given[0]) is not None and _fields(wanted[0]) is not None:
      given, wanted = list(map(_fields, given)), list(map(_fields, wanted))
    # Whoever makes its examples otherwise, by tokens for instance, makes the first so.
    if _look(given[0]) not in set(map(_look, wanted)):
      return None
    return _matched(given, wanted, content)
  except Exception:  # pylint: disable=broad-except
    return None  # Code of the values' own classes.


def _matched(
    given: Sequence[Any], wanted: Sequence[Any], of: Callable[[Any], Hashable]) -> Optional[tuple[list[Hashable], list[Hashable]]]:
  all_wanted = list(map(of, wanted))
  left = Counter(all_wanted)
  found: list[Hashable] = []
  for value in given:
    each = of(value)
    if not left[each]:
      # pandas has NaN for null.
      return _matched(given, wanted, lambda one: content(one, None)) if _has_nan(each) else None
    left[each] -= 1
    found.append(each)
  return found, all_wanted


def _has_nan(held: Hashable) -> bool:
  return held is _NaN or isinstance(held, (tuple, frozenset)) and any(map(_has_nan, held))
