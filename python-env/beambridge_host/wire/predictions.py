# SPDX-License-Identifier: Apache-2.0
"""Columns of predictions: what a model handler returned, converted and packed.

A batch of numpy arrays of one shape is checked and packed as one array. Everything else goes the slow
way, value by value, which names the first that does not fit.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

from typing import Any, Iterable, Optional, Sequence

import numpy as np
from apache_beam.portability.api import schema_pb2

from beambridge_host.errors import FatalError, one_line
from beambridge_host.wire.columns import ColumnWriter, element_type, number_type
from beambridge_host.wire.conversions import converter, fields_of
from beambridge_host.wire.exact_numbers import as_numpy, elements, exactly, tensor_array
from beambridge_host.wire.misfit import Misfit, type_name
from beambridge_host.wire.several import NamedOutputs, Outputs, OutputType, Several, chosen
from beambridge_host.wire.tensors import Forms, Tensor, tensor_of


def _in_columns(field: schema_pb2.Field) -> bool:
  """Whether a column holds values of this type other than one by one: isPacked in src/ml/row-columns.ts."""
  listed = element_type(field.type)
  if tensor_of(field) is not None or number_type(listed if listed is not None else field.type) is not None:
    return True
  if field.type.nullable or field.type.WhichOneof('type_info') != 'row_type':
    return False
  fields = field.type.row_type.schema.fields
  return any(map(_in_columns, fields)) and all(each.name != '__proto__' for each in fields)


class PredictionColumn:
  """Converts and packs the values of one declared field of the output."""

  def __init__(self, field: schema_pb2.Field) -> None:
    forms = Forms.of(field)
    self._convert = converter(field.type, forms)
    info = field.type.WhichOneof('type_info')
    row = field.type.row_type.schema.fields if info == 'row_type' and self._tensor_of(field) is None else None
    self._declared = OutputType(
        type_name(field.type, forms), None if row is None else [each.name for each in row],
        frozenset(each.name for each in row or () if each.type.nullable), info == 'map_type',
        info == 'map_type' and field.type.map_type.value_type.nullable,
        info in ('array_type', 'iterable_type') or self._tensor_of(field) is not None)
    self._writer = ColumnWriter(field)
    self._is_list = element_type(field.type) is not None
    self._tensor = tensor_of(field)
    is_row = field.type.WhichOneof('type_info') == 'row_type' and _in_columns(field)
    self._fields = {each.name: PredictionColumn(each) for each in field.type.row_type.schema.fields} if is_row else {}

  @staticmethod
  def _tensor_of(field: schema_pb2.Field) -> Optional[Tensor]:
    return Forms.of(field).tensor

  def pack(self, values: Sequence[Any]) -> bytes:
    """The column of these values. Raises Misfit for the first that does not fit, or a FatalError where no value could."""
    values = self._wanted(values)
    try:
      packed = self._at_once(values)
    except FatalError:
      raise
    except Exception:  # pylint: disable=broad-except
      packed = None
    # The slow way is right for every value, and finds the one that is wrong.
    return packed if packed is not None else self._one_by_one(values)

  def _wanted(self, values: Sequence[Any]) -> Any:
    """Of several outputs what the declared type wants: for a row a column of each field."""
    if isinstance(values, Several):
      values = values.chosen(self._declared)
    if isinstance(values, (dict, np.ndarray)):
      return values
    return [chosen(value, self._declared) if isinstance(value, (Outputs, NamedOutputs)) else value for value in values]

  def _at_once(self, values: Any) -> Optional[bytes]:
    if isinstance(values, dict):
      if not self._fields:
        return None
      return self._writer.write_rows([column.pack(values[name]) for name, column in self._fields.items()])
    if isinstance(values, np.ndarray):
      whole = self._whole(values)
      if whole is not None:
        return whole
      values = list(values)
    return self._packed(values) if self._tensor is None else self._block(self._tensor, values)

  def _one_by_one(self, values: Any) -> bytes:
    rows = [dict(zip(values, row)) for row in zip(*values.values())] if isinstance(values, dict) else list(values)
    try:
      return self._written(rows)
    except Misfit:
      raise
    except Exception:
      for row in rows:
        self._alone(row)
      raise

  def _alone(self, value: Any) -> None:
    """Raises Misfit for whatever keeps a value from being written: code of its own class, or Beam's coder."""
    try:
      self._written([value])
    except Misfit:
      raise
    except Exception as error:
      raise Misfit(value, self._declared.type, one_line(error)) from error

  def _written(self, values: Sequence[Any]) -> bytes:
    if self._tensor is None:
      return self._writer.write([self._convert(value) for value in values])
    arrays = [tensor_array(self._tensor, as_numpy(value)) for value in values]
    return self._writer.write_tensors(np.stack(arrays) if len({array.shape for array in arrays}) == 1 else arrays)

  def _whole(self, values: np.ndarray) -> Optional[bytes]:
    """The column of values that are one array already, where it is of the declared type."""
    if self._tensor is not None:
      block = elements(self._tensor, values) if self._tensor.fits(values.shape[1:]) else None
      return None if block is None else self._writer.write_tensors(block)
    if self._writer.dtype is None or not values.size:
      return None
    if self._is_list:
      block = self._fits(values) if values.ndim == 2 else None
      return None if block is None else self._writer.write_block(block)
    if values.size > len(values) or values.dtype.type not in _NUMPY_NUMBERS:
      return None
    # An array of one element holds a number.
    numbers = self._fits(values.reshape(len(values)))
    return None if numbers is None else self._writer.write_numbers(numbers)

  def _packed(self, values: Sequence[Any]) -> Optional[bytes]:
    if self._fields:
      return self._rows(values)
    if self._writer.dtype is None or not len(values):
      return None
    if self._is_list:
      arrays = [as_numpy(value) for value in values]
      if not all(isinstance(array, np.ndarray) and array.ndim == 1 and array.size for array in arrays):
        return None
      if len({(array.shape, array.dtype) for array in arrays}) == 1:
        block = self._fits(np.stack(arrays))
        return None if block is None else self._writer.write_block(block)
      fast = [self._fits(array) for array in arrays]
      return None if any(array is None for array in fast) else self._writer.write_lists(fast)
    kinds = set(map(type, values))
    # Of several types numpy would make one, and round.
    if len(kinds) == 1 and kinds <= _NUMPY_NUMBERS:
      numbers = self._fits(np.asarray(values))
      return None if numbers is None else self._writer.write_numbers(numbers)
    return None

  def _fits(self, numbers: np.ndarray) -> Optional[np.ndarray]:
    return exactly(numbers, self._writer.dtype)

  def _rows(self, values: Sequence[Any]) -> Optional[bytes]:
    rows = [fields_of(value) for value in values]
    if any(row is None or any(name not in row for name in self._fields) for row in rows):
      return None
    return self._writer.write_rows([column.pack([row[name] for row in rows]) for name, column in self._fields.items()])

  def _block(self, tensor: Tensor, values: Sequence[Any]) -> Optional[bytes]:
    if not values:
      return self._writer.write_tensors(np.empty((0, *(size or 0 for size in tensor.shape)), tensor.dtype))
    tensors = [as_numpy(value) for value in values]
    kinds = {(value.shape, value.dtype) if isinstance(value, (np.ndarray, np.generic)) else None for value in tensors}
    if len(kinds) > 1 or None in kinds or not tensor.fits(tensors[0].shape):
      return None
    block = elements(tensor, np.stack(tensors))
    return None if block is None else self._writer.write_tensors(block)


_NUMPY_NUMBERS: Iterable[type] = frozenset(
    (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.float16, np.float32, np.float64))
