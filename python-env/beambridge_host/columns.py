# SPDX-License-Identifier: Apache-2.0
"""Many values of one declared type as bytes: a column of a packed batch.

The other end is src/ml/columns.ts. A column starts with a byte for its kind:

  0  coded: a row of one field per value, each as Beam's row coder writes it
  1  numbers: a byte for the number type, then one number per value
  2  equal lists: number type, u32 length of each list, then all numbers
  3  lists: number type, u32 length per list, then all numbers

Numbers are little-endian. Whole numbers travel in the narrowest type that holds the column, and as
doubles where JavaScript has them as such; the declared type says what they become here.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

from typing import Any, Callable, Optional, Sequence

import numpy as np
from apache_beam import coders
from apache_beam.coders import coder_impl
from apache_beam.portability.api import schema_pb2

CODED, NUMBERS, EQUAL_LISTS, LISTS = range(4)

# The number types of the wire, by their byte.
WIRE_TYPES = (np.dtype('<i1'), np.dtype('<i2'), np.dtype('<i4'), np.dtype('<i8'), np.dtype('<f4'), np.dtype('<f8'))
_WIRE_CODES = {dtype: code for code, dtype in enumerate(WIRE_TYPES)}

NUMBER_TYPES = {
    schema_pb2.BYTE: np.dtype(np.int8),
    schema_pb2.INT16: np.dtype(np.int16),
    schema_pb2.INT32: np.dtype(np.int32),
    schema_pb2.INT64: np.dtype(np.int64),
    schema_pb2.FLOAT: np.dtype(np.float32),
    schema_pb2.DOUBLE: np.dtype(np.float64),
}


def number_type(field_type: schema_pb2.FieldType) -> Optional[np.dtype]:
  """The numpy type of a declared number that cannot be null; None for every other type."""
  if field_type.nullable or field_type.WhichOneof('type_info') != 'atomic_type':
    return None
  return NUMBER_TYPES.get(field_type.atomic_type)


def element_type(field_type: schema_pb2.FieldType) -> Optional[schema_pb2.FieldType]:
  """The element type of a declared array or iterable that cannot be null."""
  info = field_type.WhichOneof('type_info')
  if field_type.nullable or info not in ('array_type', 'iterable_type'):
    return None
  return getattr(field_type, info).element_type


class ColumnReader:
  """Reads columns of one declared type."""

  def __init__(self, field: schema_pb2.Field) -> None:
    listed = element_type(field.type)
    self._dtype = number_type(listed if listed is not None else field.type)
    self._name = field.name
    self._coder = _field_coder(field).get_impl()

  def read(self, data: bytes, count: int) -> Any:
    """A list of values; numbers come as one array, and lists of numbers as a list of arrays."""
    kind = data[0]
    if kind == CODED:
      stream = coder_impl.create_InputStream(data[1:])
      return [getattr(self._coder.decode_from_stream(stream, True), self._name) for _ in range(count)]
    wire = WIRE_TYPES[data[1]]
    if kind == NUMBERS:
      return self._numbers(data, wire, 2)
    if kind == EQUAL_LISTS:
      width = int(np.frombuffer(data, '<u4', 1, 2)[0])
      return list(self._numbers(data, wire, 6).reshape(count, width))
    lengths = np.frombuffer(data, '<u4', count, 2)
    return np.split(self._numbers(data, wire, 2 + 4 * count), np.cumsum(lengths)[:-1])[:count]

  def _numbers(self, data: bytes, wire: np.dtype, offset: int) -> np.ndarray:
    # A copy, since models may want arrays that are aligned and can be written to.
    return np.frombuffer(data, wire, -1, offset).astype(self._dtype)


class ColumnWriter:
  """Writes columns of one declared type. Values must have been converted to it before."""

  def __init__(self, field: schema_pb2.Field) -> None:
    listed = element_type(field.type)
    self.dtype = number_type(listed if listed is not None else field.type)
    self._is_list = listed is not None
    self._coder = _field_coder(field).get_impl()
    self._row = _row_class(field.name)

  def write(self, values: Sequence[Any]) -> bytes:
    if self.dtype is None:
      return self._coded(values)
    if not self._is_list:
      return self.write_numbers(np.asarray(values, self.dtype))
    return self.write_lists([np.asarray(value, self.dtype) for value in values])

  def write_numbers(self, numbers: np.ndarray) -> bytes:
    code, body = _narrow(numbers)
    return bytes((NUMBERS, code)) + body

  def write_lists(self, lists: Sequence[np.ndarray]) -> bytes:
    lengths = np.fromiter(map(len, lists), '<u4', len(lists))
    code, body = _narrow(np.concatenate(lists) if lists else np.empty(0, self.dtype))
    if len(lengths) and (lengths == lengths[0]).all():
      return bytes((EQUAL_LISTS, code)) + lengths[:1].tobytes() + body
    return bytes((LISTS, code)) + lengths.tobytes() + body

  def _coded(self, values: Sequence[Any]) -> bytes:
    stream = coder_impl.create_OutputStream()
    stream.write_byte(CODED)
    for value in values:
      self._coder.encode_to_stream(self._row(value), stream, True)
    return stream.get()


def _narrow(numbers: np.ndarray) -> tuple[int, bytes]:
  wire = numbers.dtype
  if wire.kind == 'i' and numbers.size:
    low, high = int(numbers.min()), int(numbers.max())
    wire = next(t for t in WIRE_TYPES[:4] if np.iinfo(t).min <= low and high <= np.iinfo(t).max)
  wire = wire.newbyteorder('<')
  return _WIRE_CODES[wire], numbers.astype(wire).tobytes()


def _field_coder(field: schema_pb2.Field) -> coders.RowCoder:
  # A field moved out of its schema must not keep its place there.
  alone = schema_pb2.Field(name=field.name, type=field.type)
  return coders.RowCoder(schema_pb2.Schema(fields=[alone]))


def _row_class(name: str) -> Callable[[Any], Any]:
  """Rows of one field, as light as Python has them."""

  def __init__(self: Any, value: Any) -> None:
    setattr(self, name, value)

  return type('OneField', (), {'__slots__': (name,), '__init__': __init__})


def prefixed(data: bytes) -> bytes:
  """The bytes after their length as a varint."""
  stream = coder_impl.create_OutputStream()
  stream.write_var_int64(len(data))
  return stream.get() + data
