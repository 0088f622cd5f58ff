# SPDX-License-Identifier: Apache-2.0
"""Values that somebody may keep and change.

A model may change the rows that it is given, which are asked about again where it fails, and it may use the arrays that
it gave for its next call, before these are written.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import collections
from collections.abc import Iterable
from typing import Any

import numpy as np

from beambridge_host.wire.frames import Frames
from beambridge_host.wire.unconverted import Unconverted


class Holder:
  """Something of ours that holds what a model gave, and knows how to copy it."""

  def copy(self) -> Any:
    """The same with values of its own."""
    raise NotImplementedError


# What nobody can change.
_PLAIN = frozenset((type(None), bool, int, float, complex, str, bytes))


def owned(value: Any) -> Any:
  """The same for its taker to keep, all the way down."""
  if type(value) in _PLAIN:
    return value
  if isinstance(value, Unconverted):
    return value.take()
  if isinstance(value, Holder):
    return value.copy()
  if isinstance(value, np.ndarray):
    return _array(value)
  if isinstance(value, Frames):
    # Its index counts the rows of this call, as those of a column that a model makes do: pandas puts columns together by it.
    frame = _frame(value.frame)
    frame.index = range(len(frame))
    return Frames(frame)
  if type(value) in (dict, collections.OrderedDict, collections.defaultdict):
    out = value.copy()
    out.update(zip(value, map(owned, value.values())))
    return out
  # Classes of others are made in ways of their own.
  if type(value) in (list, tuple) or isinstance(value, tuple) and hasattr(value, '_make'):
    return _sequence(value)
  module = type(value).__module__.partition('.')[0]
  if module == 'torch' and hasattr(value, 'clone'):
    return value.clone()
  if module == 'scipy' and hasattr(value, 'tocsr'):
    return value.copy()
  if module == 'pandas' and hasattr(value, 'copy'):
    return _frame(value)
  return value


def _array(array: np.ndarray) -> np.ndarray:
  out = array.copy()
  if out.dtype == object and not _is_plain(array.flat):
    for place, each in np.ndenumerate(array):
      out[place] = owned(each)
  return out


def _frame(frame: Any) -> Any:
  """A frame or a column. What pandas copies of objects are the references alone."""
  out = frame.copy()
  for at, dtype in enumerate(frame.dtypes if hasattr(frame, 'columns') else ()):
    column = frame.iloc[:, at]
    if dtype == object and not _is_plain(column):
      out.isetitem(at, type(column)(_array(column.to_numpy()), index=frame.index, dtype=object))
  return out


def _is_plain(values: Iterable[Any]) -> bool:
  return set(map(type, values)) <= _PLAIN


def _sequence(value: Any) -> Any:
  is_plain = _is_plain(value)
  if isinstance(value, tuple) and is_plain:
    return value
  parts = value if is_plain else map(owned, value)
  return value._make(parts) if hasattr(value, '_make') else type(value)(parts)
