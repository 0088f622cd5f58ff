# SPDX-License-Identifier: Apache-2.0
"""Batches in the number type of a model's input, where that changes no value.

numpy and TensorFlow cut and wrap when they cast: 1.7 becomes 1 for a model of whole numbers, and 300 becomes 44 for one of
bytes. Here fractions are rounded to the precision of the model's fractions, and everything else either stays what
it is or is refused. src/ml/local/onnx-casting.ts does the same.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

from typing import Any

import numpy as np

from beambridge_host.errors import BridgeError, bridge_error

_HINT = 'Declare the example in the type that the model takes, and convert the elements before RunInference.'


def cast(batch: np.ndarray, input_type: Any, name: str) -> np.ndarray:
  """The batch in another number type. Raises `ROW_MISMATCH` for the first element whose value that would change."""
  dtype = np.dtype(input_type)
  if batch.dtype == dtype or batch.dtype.kind in 'OSU' and dtype.kind in 'OSU':
    return batch
  if batch.dtype.kind not in 'biuf' or dtype.kind in 'OSUMm':
    raise _no_type(batch, dtype, name)
  with np.errstate(all='ignore'):
    numbers = batch.astype(dtype)
  changed = _changed(batch, numbers)
  if changed.any():
    place = tuple(int(at) for at in np.argwhere(changed)[0])
    raise _refused(batch, place, dtype, name)
  return numbers


def _changed(batch: np.ndarray, numbers: np.ndarray) -> np.ndarray:
  """Where a cast gave another value."""
  before, after = batch.dtype.kind, numbers.dtype.kind
  if before == 'b':
    return np.zeros(batch.shape, np.bool_)
  if after == 'b':
    return (batch != 0) & (batch != 1)
  if after in 'iu':
    limits = np.iinfo(numbers.dtype)
    if before in 'iu':
      return (batch < limits.min) | (batch > limits.max)
    wide = batch.astype(np.float64)
    return ~((wide == np.trunc(wide)) & (wide >= float(limits.min)) & (wide < float(limits.max // 2 + 1) * 2))
  # Types of fractions, and others of the framework's own such as bfloat16.
  with np.errstate(all='ignore'):
    back = numbers.astype(np.float64)
    if before == 'f':
      return np.isinf(back) & np.isfinite(batch)
    changed = back != batch
    # Doubles have no whole number above these but the even ones, and the comparison is of doubles.
    large = np.argwhere((batch > 2**53) | (batch < -2**53))
  for place in map(tuple, large):
    changed[place] = np.isinf(back[place]) or int(back[place]) != int(batch[place])
  return changed


def _refused(batch: np.ndarray, place: tuple[int, ...], dtype: np.dtype, name: str) -> BridgeError:
  value = batch[place].item()
  where = f' at [{", ".join(map(str, place[1:]))}]' if len(place) > 1 else ''
  return bridge_error(
      'ROW_MISMATCH',
      f'the input {name} of the model takes {dtype}, and row {place[0] + 1} of {len(batch)} has {value!r}{where} '
      f'({batch.dtype}): {_why(value, batch.dtype, dtype)}',
      hint=_HINT)


def _why(value: Any, element_type: np.dtype, dtype: np.dtype) -> str:
  if dtype.kind == 'b':
    return 'only 0 and 1 are booleans'
  if dtype.kind not in 'iu':
    return 'it is out of range' if element_type.kind == 'f' else 'it would be rounded'
  return 'it is not a whole number' if isinstance(value, float) and not value.is_integer() else 'it is out of range'


def _no_type(batch: np.ndarray, dtype: np.dtype, name: str) -> BridgeError:
  elements = type(batch.flat[0]).__name__ if batch.dtype == object and batch.size else str(batch.dtype)
  takes = 'texts' if dtype.kind in 'OSU' else str(dtype)
  return bridge_error(
      'ROW_MISMATCH', f'the input {name} of the model takes {takes}, and the examples are {elements} values', hint=_HINT)
