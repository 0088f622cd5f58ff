# SPDX-License-Identifier: Apache-2.0
"""Tensors as TypeScript declares them: numpy arrays of a type and a shape.

In a schema a tensor is the array of its elements (bytes where an element is one byte), or where a
dimension is open a row of its shape and that array. A field option says that it is a tensor, and
where in the field's type it stands; src/coders/row/value-forms.ts describes it.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, Callable, Mapping, NamedTuple, Optional

import numpy as np
from apache_beam.portability.api import schema_pb2

from beambridge_host.wire.field_names import python_names

_OPTION = 'beambridge:option:value_forms:v1'

_DTYPES = {
    'float32': np.dtype(np.float32),
    'float64': np.dtype(np.float64),
    'byte': np.dtype(np.int8),
    'int16': np.dtype(np.int16),
    'int32': np.dtype(np.int32),
    'int64': np.dtype(np.int64),
    'bigint64': np.dtype(np.int64),
    'uint8': np.dtype(np.uint8),
    'boolean': np.dtype(np.bool_),
}


class Tensor(NamedTuple):
  """A declared tensor."""
  element: str
  # None for a dimension whose length differs from one tensor to the next.
  shape: tuple[Optional[int], ...]

  @property
  def dtype(self) -> np.dtype:
    return _DTYPES[self.element]

  @property
  def is_open(self) -> bool:
    return None in self.shape

  def fits(self, shape: tuple[int, ...]) -> bool:
    """Whether arrays of this shape are such tensors."""
    return len(shape) == len(self.shape) and all(size in (None, length) for size, length in zip(self.shape, shape))

  def __str__(self) -> str:
    return f'tensor({self.element}, {json.dumps(self.shape)})'


class Forms:
  """The tensors within the type of a field, by their place: '' is the field itself."""

  def __init__(self, forms: Mapping[str, Any], path: str = '') -> None:
    self._forms = forms
    self._path = path

  @staticmethod
  def of(field: schema_pb2.Field) -> Forms:
    for option in field.options:
      if option.name == _OPTION:
        return Forms(json.loads(option.value.atomic_value.string))
    return Forms({})

  def part(self, step: str) -> Forms:
    """Those of the elements ('e') of an array, or of the keys ('k') or values ('v') of a map."""
    return Forms(self._forms, f'{self._path}.{step}' if self._path else step)

  @property
  def tensor(self) -> Optional[Tensor]:
    """The tensor that stands here."""
    form = self._forms.get(self._path)
    if not isinstance(form, dict) or 'tensor' not in form:
      return None
    return Tensor(form['tensor'], tuple(form['shape']))

  @property
  def enumeration(self) -> Optional[list[str]]:
    """The values of the enumeration that stands here."""
    form = self._forms.get(self._path)
    return form.get('enumeration') if isinstance(form, dict) else None

  @property
  def is_bigint(self) -> bool:
    """Whether TypeScript has the whole numbers of 64 bits that stand here as bigints; else as numbers."""
    return self._forms.get(self._path) == 'bigint'


def tensor_of(field: schema_pb2.Field) -> Optional[Tensor]:
  """The declared tensor of a field that cannot be null."""
  return None if field.type.nullable else Forms.of(field).tensor


def represented(tensor: Tensor, array: np.ndarray) -> Any:
  """A tensor as Beam's row coder takes it."""
  flat = np.ascontiguousarray(array).reshape(-1)
  values = flat.tobytes() if tensor.dtype.itemsize == 1 else flat.tolist()
  return SimpleNamespace(shape=list(array.shape), values=values) if tensor.is_open else values


def restored(tensor: Tensor, value: Any) -> np.ndarray:
  """A tensor out of what Beam's row coder gives."""
  shape, values = (tuple(value.shape), value.values) if tensor.is_open else (tensor.shape, value)
  if isinstance(values, bytes):
    return np.frombuffer(bytearray(values), tensor.dtype).reshape(shape)
  return np.array(values, tensor.dtype).reshape(shape)


def restorer(field_type: schema_pb2.FieldType, forms: Forms) -> Optional[Callable[[Any], Any]]:
  """A function that puts arrays in the place of the tensors within a decoded value; None where there are none."""
  tensor = forms.tensor
  info = field_type.WhichOneof('type_info')
  restore: Optional[Callable[[Any], Any]] = None
  if tensor is not None:
    restore = lambda value: restored(tensor, value)
  elif info in ('array_type', 'iterable_type'):
    element = restorer(getattr(field_type, info).element_type, forms.part('e'))
    restore = element and (lambda values: [element(value) for value in values])
  elif info == 'map_type':
    item = restorer(field_type.map_type.value_type, forms.part('v'))
    restore = item and (lambda values: {key: item(value) for key, value in values.items()})
  elif info == 'row_type':
    fields = field_type.row_type.schema.fields
    names = python_names(field.name for field in fields)
    restorers = {names[field.name]: restorer(field.type, Forms.of(field)) for field in fields}
    parts = {name: part for name, part in restorers.items() if part}
    if parts:
      restore = lambda row: row._replace(**{name: part(getattr(row, name)) for name, part in parts.items()})
  if restore is None or not field_type.nullable:
    return restore
  inner = restore
  return lambda value: None if value is None else inner(value)
