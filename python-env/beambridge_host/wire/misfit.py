# SPDX-License-Identifier: Apache-2.0
"""A value that does not fit its declared type, in words."""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import json
from typing import Any

import numpy as np
from apache_beam.portability.api import schema_pb2

from beambridge_host.wire.tensors import Forms

# Of whole numbers of 64 bits a number of TypeScript holds those from -MOST to MOST.
MOST = (1 << 53) - 1
UNSAFE = 'a number of TypeScript holds at most ±(2^53 - 1): declare bigint64'


class Misfit(Exception):
  """A value that does not fit; `path` leads to it from the declared field."""

  def __init__(self, value: Any, declared: str, why: str = '') -> None:
    super().__init__(value, declared, why)
    self.value = value
    self.declared = declared
    self.why = why
    self.path = ''

  def describe(self, field: str) -> str:
    text = f'{field}{self.path}: {describe(self.value)} does not fit the declared type {self.declared}'
    return f'{text}: {self.why}' if self.why else text


def describe(value: Any) -> str:
  """A value's Python type, and as much of it as helps."""
  kind = type(value)
  name = kind.__qualname__ if kind.__module__ == 'builtins' else f'{kind.__module__}.{kind.__qualname__}'
  shape = getattr(value, 'shape', None)
  if shape is not None and not np.isscalar(value):
    return f'{name} of shape {tuple(shape)} and type {getattr(value, "dtype", "unknown")}'
  try:
    text = repr(value) if not isinstance(value, np.generic) else str(value) if value.dtype.kind in 'mM' else repr(value.item())
  except Exception:  # pylint: disable=broad-except
    return name  # A class of the program's own may fail at this, too.
  return f'{name} {text}' if len(text) <= 60 else f'{name} {text[:59]}…'


def type_name(field_type: schema_pb2.FieldType, forms: Forms = Forms({})) -> str:
  """A declared type as TypeScript writes it."""
  if forms.tensor is not None:
    return f'nullable({forms.tensor})' if field_type.nullable else str(forms.tensor)
  info = field_type.WhichOneof('type_info')
  if info == 'atomic_type':
    name = _atomic_name(field_type.atomic_type, forms)
  elif info == 'map_type':
    key, item = field_type.map_type.key_type, field_type.map_type.value_type
    name = f'map({type_name(key, forms.part("k"))}, {type_name(item, forms.part("v"))})'
  elif info == 'row_type':
    name = f'row({", ".join(field.name for field in field_type.row_type.schema.fields)})'
  elif info == 'logical_type':
    name = field_type.logical_type.urn.removeprefix('beam:logical_type:').removesuffix(':v1')
  else:
    name = f'{(info or "unknown").removesuffix("_type")}({type_name(getattr(field_type, info).element_type, forms.part("e"))})'
  return f'nullable({name})' if field_type.nullable else name


def _atomic_name(atomic: schema_pb2.AtomicType.ValueType, forms: Forms) -> str:
  if forms.enumeration is not None:
    values = ', '.join(map(json.dumps, forms.enumeration))
    return f'enumeration({values if len(values) <= 60 else values[:59] + "…"})'
  if forms.is_bigint:
    return 'bigint64'
  names = {schema_pb2.BYTE: 'int8', schema_pb2.FLOAT: 'float32', schema_pb2.DOUBLE: 'float64'}
  return names.get(atomic) or schema_pb2.AtomicType.Name(atomic).lower()
