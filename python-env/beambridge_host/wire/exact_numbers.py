# SPDX-License-Identifier: Apache-2.0
"""Values of any framework as numpy arrays, and these in a declared number type where that changes none of them."""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import math
from typing import Any, Optional

import numpy as np

from beambridge_host.wire.misfit import MOST, UNSAFE, Misfit
from beambridge_host.wire.tensors import Tensor


class Missing(float):
  """NaN where pandas has it for a missing value: null for a type that may be null, for others NaN.

  Beside numbers pandas makes NaN of None, and alone not: which of both it is follows from the other rows of a batch.
  """


MISSING = Missing('nan')


def is_null(value: Any) -> bool:
  """Whether a value stands for none, as numpy and pandas have it too. NaN does not: it is a number like others."""
  if value is None or isinstance(value, Missing):
    return True
  if isinstance(value, np.ma.MaskedArray):
    return value.ndim == 0 and bool(np.ma.is_masked(value))
  if isinstance(value, (np.datetime64, np.timedelta64)):
    return bool(np.isnat(value))
  kind = type(value)
  return kind.__name__ in ('NaTType', 'NAType') and kind.__module__.partition('.')[0] == 'pandas'


def is_time(value: Any) -> bool:
  """Whether a value is a time or a duration of numpy, or an array of them: whoever asks for their numbers gets counts in any unit."""
  return isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in 'mM'


def as_numpy(value: Any) -> Any:
  """Tensors of any framework as numpy arrays, masked elements as None in lists; everything else as it is."""
  if isinstance(value, np.ma.MaskedArray):
    # Under the mask there is a value, which is none.
    if not np.ma.is_masked(value):
      return np.asarray(value.data)
    if is_time(value) and value.ndim:
      return [None if part is np.ma.masked else as_numpy(part) for part in value]
    return value.tolist()
  if isinstance(value, (np.ndarray, np.generic)):
    return value
  detach = getattr(value, 'detach', None)
  if detach is not None:
    value = detach().cpu()
    # numpy has no bfloat16.
    if str(getattr(value, 'dtype', '')) == 'torch.bfloat16':
      value = value.float()
  to_numpy = getattr(value, 'numpy', None) or getattr(value, 'to_numpy', None)
  return to_numpy() if callable(to_numpy) else value


def as_float(number: float, dtype: np.dtype) -> float:
  """The number as another type of fractions has it, infinite where that has it not."""
  with np.errstate(over='ignore'):
    return float(dtype.type(number))


def exactly(numbers: np.ndarray, declared: np.dtype) -> Optional[np.ndarray]:
  """The numbers in the declared type, when that changes none of them; fractions are rounded to float32's precision."""
  dtype = numbers.dtype
  if dtype == declared:
    return numbers
  if dtype.kind not in 'iuf' or declared.kind == 'b':
    return None
  if numbers.size == 0:
    return numbers.astype(declared)
  if declared.kind == 'f':
    with np.errstate(over='ignore'):
      cast = numbers.astype(declared)
    exact = dtype.kind == 'f' or bool((cast.astype(np.float64) == numbers).all() and abs(cast).max() < 2**53)
    return cast if exact and not bool((np.isinf(cast) & np.isfinite(numbers)).any()) else None
  if dtype.kind == 'f':
    return None
  limits = np.iinfo(declared)
  return numbers.astype(declared) if limits.min <= int(numbers.min()) and int(numbers.max()) <= limits.max else None


def elements(tensor: Tensor, numbers: np.ndarray) -> Optional[np.ndarray]:
  """The numbers as elements of tensors, when that changes none of them and TypeScript has each."""
  exact = exactly(numbers, tensor.dtype)
  return None if exact is None or _unsafe(tensor, exact) is not None else exact


def _unsafe(tensor: Tensor, numbers: np.ndarray) -> Optional[int]:
  """A whole number of a tensor of numbers that TypeScript has not as such."""
  if tensor.element != 'int64' or not numbers.size:
    return None
  return next((end for end in (int(numbers.min()), int(numbers.max())) if abs(end) > MOST), None)


def _rounded(value: Any, dtype: np.dtype) -> bool:
  """Whether whole numbers in nested lists would be rounded: numpy makes fractions of those that stand among fractions."""
  if isinstance(value, (list, tuple)):
    return any(_rounded(part, dtype) for part in value)
  if not isinstance(value, (int, np.integer)):
    return False
  number = as_float(float(value), dtype)
  return math.isinf(number) or int(number) != int(value)


def _has_booleans(value: Any) -> bool:
  if isinstance(value, (list, tuple)):
    return any(map(_has_booleans, value))
  return isinstance(value, (bool, np.bool_))


def tensor_array(tensor: Tensor, value: Any) -> np.ndarray:
  """A tensor of any framework, a number or nested lists of numbers, as the declared array."""
  array = as_numpy(value)
  if isinstance(array, (list, tuple, bool, int, float)):
    try:
      # numpy would make numbers of booleans that stand among them.
      array = np.asarray([as_numpy(part) for part in array] if isinstance(array, (list, tuple)) else array)
    except (ValueError, OverflowError):
      raise Misfit(value, str(tensor), 'its lists differ in length') from None
    if array.dtype != np.bool_ and _has_booleans(value):
      raise Misfit(value, str(tensor), 'it has booleans among numbers')
    if array.dtype.kind == 'f' and bool((np.abs(array) > 2**24).any()) and _rounded(value, tensor.dtype):
      raise Misfit(value, str(tensor), 'a whole number would be rounded')
  if not isinstance(array, (np.ndarray, np.generic)) or array.dtype.kind not in 'biuf':
    raise Misfit(value, str(tensor))
  array = np.asarray(array)
  if array.size == 0 and tensor.dtype.kind != 'b' and isinstance(value, (list, tuple)):
    array = array.astype(tensor.dtype)  # Nothing says what the elements of an empty list are.
  if not tensor.fits(array.shape):
    raise Misfit(value, str(tensor), f'its shape is {list(array.shape)}')
  exact = exactly(array, tensor.dtype)
  if exact is None:
    same = (array.dtype.kind == 'b') == (tensor.dtype.kind == 'b') and (array.dtype.kind != 'f' or tensor.dtype.kind == 'f')
    changed = 'out of range or would be rounded' if array.dtype.kind in 'iu' and tensor.dtype.kind == 'f' else 'out of range'
    raise Misfit(value, str(tensor), f'an element is {changed}' if same else f'its elements are {array.dtype}')
  unsafe = _unsafe(tensor, exact)
  if unsafe is not None:
    raise Misfit(value, str(tensor), f'an element is {unsafe}, and {UNSAFE}')
  return exact
