# SPDX-License-Identifier: Apache-2.0
"""Values as arrays of their declared type.

What does not travel as numbers (lists of lists, what may be null, values of maps) arrives as Python's own lists and
numbers, of which each library makes what it likes: PyTorch float32 of every fraction, TensorFlow int32 of every whole number,
and both and numpy fractions of an empty list. Here the declaration says what they are, and how many dimensions they have.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

from typing import Any, Callable, NamedTuple, Optional

import numpy as np
from apache_beam.portability.api import schema_pb2

from beambridge_host.wire.columns import NUMBER_TYPES
from beambridge_host.wire.frames import column_of
from beambridge_host.wire.tensors import Forms

Typed = Callable[[Any], Any]

_OBJECTS = np.dtype(object)


class _Elements(NamedTuple):
  """What an array is made of."""
  dtype: np.dtype
  rank: int
  # Makes a column of numbers of values that may be null.
  with_nulls: Optional[Typed] = None


def typed_arrays(kind: schema_pb2.FieldType, forms: Forms) -> Typed:
  """A function from a value of this declared type to an array; rows, maps, texts, null and the like stay what they are."""
  declared = _elements(kind, forms)
  return (lambda value: value) if declared is None else lambda value: _typed(declared, value)


def _elements(kind: schema_pb2.FieldType, forms: Forms) -> Optional[_Elements]:
  if forms.tensor is not None:
    return _Elements(forms.tensor.dtype, len(forms.tensor.shape))
  info = kind.WhichOneof('type_info')
  if info in ('array_type', 'iterable_type'):
    inner = _elements(getattr(kind, info).element_type, forms.part('e'))
    return None if inner is None else inner._replace(rank=inner.rank + 1)
  if info == 'logical_type':
    return _Elements(_OBJECTS, 0)
  if info != 'atomic_type':
    return None
  number = np.dtype(np.bool_) if kind.atomic_type == schema_pb2.BOOLEAN else NUMBER_TYPES.get(kind.atomic_type)
  if number is None or not kind.nullable:
    return _Elements(number or _OBJECTS, 0)
  # As in a data frame: there is no null among numbers.
  return _Elements(
      number if number.kind == 'f' else np.dtype(np.float64), 0, column_of(schema_pb2.Field(name='value', type=kind)))


def _typed(declared: _Elements, value: Any) -> Any:
  dtype, rank, with_nulls = declared
  if isinstance(value, (np.ndarray, np.generic)) and value.dtype == dtype:
    return np.asarray(value)
  if rank == 0 and dtype == _OBJECTS or value is None and (rank or with_nulls is None):
    return value
  array = np.asarray(value, dtype if with_nulls is None else _OBJECTS)
  if array.ndim < rank and array.size == 0:
    # An empty list does not say how many lists would be in it.
    array = array.reshape(array.shape + (0,) * (rank - array.ndim))
  if array.ndim != rank:
    raise ValueError(f'lists of several lengths, or nothing in the place of one, where an array of {rank} dimensions is declared')
  return array if with_nulls is None else with_nulls(array.ravel().tolist()).reshape(array.shape)
