# SPDX-License-Identifier: Apache-2.0
"""Coded columns of plain values, read without an object for each row.

Beam's row coder takes five microseconds for a row of one field, which for a column of texts is more than a
small model takes. Such a row is `1` (the number of fields), the length of its map of nulls, that map if there is one,
and the value.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import struct
from typing import Any, Callable, Optional

import numpy as np
from apache_beam.portability.api import schema_pb2

# Gives the value at a place, and where it ends.
_Read = Callable[[bytes, int], tuple[Any, int]]

_FIXED = {
    schema_pb2.FLOAT: '>f', schema_pb2.DOUBLE: '>d', schema_pb2.INT16: '>h',
    schema_pb2.BOOLEAN: '>?'
}


def plain_reader(field_type: schema_pb2.FieldType) -> Optional[Callable[[bytes, int], Any]]:
  """A function from the bytes behind a coded column's kind, and the number of its values, to these; None for other types."""
  if field_type.WhichOneof('type_info') != 'atomic_type':
    return None
  kind = field_type.atomic_type
  if kind == schema_pb2.STRING:
    return lambda data, count: _each(data, count, _text)
  if kind == schema_pb2.BOOLEAN and not field_type.nullable:
    return _booleans
  if kind in (schema_pb2.INT32, schema_pb2.INT64):
    bits = 32 if kind == schema_pb2.INT32 else 64
    return lambda data, count: _each(data, count, lambda data, at: _whole(data, at, bits))
  fixed = _FIXED.get(kind)
  if fixed is None:
    return None
  # Made here: a module that other expansion services are sent is pickled by value, which these cannot be.
  made = struct.Struct(fixed)
  size, unpack = made.size, made.unpack_from
  return lambda data, count: _each(data, count, lambda data, at: (unpack(data, at)[0], at + size))


def _booleans(data: bytes, count: int) -> list[bool]:
  rows = np.frombuffer(data, np.uint8)
  if len(rows) != 3 * count or (rows.reshape(count, 3) > (1, 0, 1)).any() or not rows[::3].all():
    raise _damaged()
  return rows[2::3].astype(np.bool_).tolist()


def _text(data: bytes, at: int) -> tuple[str, int]:
  size = data[at]
  at += 1
  if size > 127:
    size, at = _varint(data, at - 1)
  end = at + size
  return data[at:end].decode(), end


def _each(data: bytes, count: int, read: _Read) -> list[Any]:
  out: list[Any] = []
  at = 0
  for _ in range(count):
    if data[at] != 1:
      raise _damaged()
    nulls = data[at + 1]
    if nulls and data[at + 2] & 1:
      out.append(None)
      at += 2 + nulls
      continue
    value, at = read(data, at + 2 + nulls)
    out.append(value)
  if at != len(data):
    raise _damaged()
  return out


def _whole(data: bytes, at: int, bits: int) -> tuple[int, int]:
  value, at = _varint(data, at)
  value &= (1 << bits) - 1
  return (value - (1 << bits) if value >> (bits - 1) else value), at


def _varint(data: bytes, at: int) -> tuple[int, int]:
  value = shift = 0
  while True:
    byte = data[at]
    value |= (byte & 127) << shift
    at += 1
    if byte < 128:
      return value, at
    shift += 7


def _damaged() -> ValueError:
  return ValueError('is not what the row coder writes')
