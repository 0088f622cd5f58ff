# SPDX-License-Identifier: Apache-2.0
"""Many values of one declared type as bytes: a column of a packed batch.

The other end is src/ml/columns.ts. A column starts with a byte for its kind:

  0  coded: a row of one field per value, each as Beam's row coder writes it
  1  numbers: a byte for the number type, then one number per value
  2  equal lists: number type, u32 length of each list, then all numbers
  3  lists: number type, u32 length per list, then all numbers
  4  tensors of one shape: number type, number of dimensions, a zero, u32 length of each dimension,
     zeros up to a multiple of eight, then all elements
  5  tensors: the same, with the lengths of all dimensions for each tensor
  6  rows: a column of each field, each after its length

Numbers are little-endian. Whole numbers travel in the narrowest type that holds the column, and as
doubles where JavaScript has them as such; so do fractions of which none has a fraction. The declared type says
what they become here.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import struct
from typing import Any, Callable, Iterator, Optional, Sequence

import numpy as np
from apache_beam import coders
from apache_beam.coders import coder_impl
from apache_beam.portability.api import schema_pb2
from apache_beam.typehints.schemas import named_tuple_from_schema

from beambridge_host.errors import BridgeError, bridge_error
from beambridge_host.wire.coded import plain_reader
from beambridge_host.wire.field_names import in_python, python_names
from beambridge_host.wire.misfit import MOST, UNSAFE, Misfit
from beambridge_host.wire.tensors import Forms, restorer, tensor_of
from beambridge_host.wire.unconverted import Unconverted, taken

CODED, NUMBERS, EQUAL_LISTS, LISTS, TENSORS, RAGGED_TENSORS, ROWS = range(7)

# The number types of the wire, by their byte.
WIRE_TYPES = tuple(map(np.dtype, ('<i1', '<i2', '<i4', '<i8', '<f4', '<f8', '<u1')))
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


class Rows(Sequence):
  """Rows as a column for each field; one by one they are the named tuples that Beam's row coder gives."""

  def __init__(self, schema: schema_pb2.Schema, columns: dict[str, Any], count: int) -> None:
    self._schema = schema
    self.columns = columns
    self._count = count

  def __len__(self) -> int:
    return self._count

  def __getitem__(self, at: Any) -> Any:
    if isinstance(at, slice):
      return Rows(self._schema, {name: column[at] for name, column in self.columns.items()}, len(range(self._count)[at]))
    return next(iter(self[at:at + 1 or None]))

  def __iter__(self) -> Iterator[Any]:
    row = named_tuple_from_schema(in_python(self._schema))
    return map(row, *map(_python_values, self._schema.fields, self.columns.values()))


def _python_values(field: schema_pb2.Field, column: Any) -> Any:
  """Numbers and lists as Beam's row coder gives them; tensors stay arrays."""
  if tensor_of(field) is not None:
    return column
  if isinstance(column, np.ndarray):
    return column.tolist()
  return [value.tolist() if isinstance(value, np.ndarray) and element_type(field.type) else value for value in column]


class ColumnReader:
  """Reads columns of one declared type."""

  def __init__(self, field: schema_pb2.Field) -> None:
    listed = element_type(field.type)
    self._dtype = number_type(listed if listed is not None else field.type)
    self._tensor = tensor_of(field)
    self._number = self._dtype if self._tensor is None else self._tensor.dtype
    self._name = _python_name(field)
    self._coder = _field_coder(field).get_impl()
    self._plain = plain_reader(field.type)
    self._restore = restorer(field.type, Forms.of(field))
    self._schema = field.type.row_type.schema
    self._fields = [(each.name, ColumnReader(each)) for each in self._schema.fields]
    if self._tensor is not None:
      self._kinds = (TENSORS, RAGGED_TENSORS)
    elif self._dtype is None:
      self._kinds = ()
    else:
      self._kinds = (NUMBERS,) if listed is None else (EQUAL_LISTS, LISTS)

  @property
  def is_tensor(self) -> bool:
    """Whether the values are tensors, and not lists of numbers."""
    return self._tensor is not None

  def read(self, data: bytes, count: int) -> Any:
    """The values. Numbers, lists of numbers of one length and tensors of one shape come as one array, whose
    first dimension they are; others of these as a list of arrays, rows as Rows, and the rest as a list."""
    return taken(self.unconverted(data, count))

  def unconverted(self, data: bytes, count: int) -> Any:
    """The same, but what is one array as it came."""
    kind = data[0] if data else None
    if kind == CODED:
      return self._coded(data, count)
    if kind == ROWS and self._fields:
      stream = coder_impl.create_InputStream(data[1:])
      columns = {name: reader.read(_part(stream), count) for name, reader in self._fields}
      return Rows(self._schema, columns, count)
    if kind not in self._kinds or len(data) < 2 or data[1] >= len(WIRE_TYPES):
      raise _damaged(f'is of kind {kind}')
    try:
      return self._packed(kind, data, WIRE_TYPES[data[1]], count)
    except (ValueError, IndexError) as error:
      # numpy compares sizes: counts that do not fit the bytes end here.
      raise _damaged(str(error)) from error

  def _coded(self, data: bytes, count: int) -> list[Any]:
    # Beam's stream does not look where its bytes end. A row is two bytes at least.
    if 2 * count > len(data) - 1:
      raise _damaged(f'has {len(data) - 1} bytes for {count} rows')
    if self._plain is not None:
      try:
        return self._plain(data[1:], count)
      except (ValueError, IndexError, struct.error) as error:
        raise _damaged(str(error)) from error
    stream = coder_impl.create_InputStream(data[1:])
    values = []
    for _ in range(count):
      if stream.size() < 2:
        raise _damaged('ends early')
      values.append(getattr(self._coder.decode_from_stream(stream, True), self._name))
    if stream.size() != 0:
      raise _damaged('does not end where its rows end')
    return values if self._restore is None else list(map(self._restore, values))

  def _packed(self, kind: int, data: bytes, wire: np.dtype, count: int) -> Any:
    if kind == NUMBERS:
      return self._whole(np.frombuffer(data, wire, -1, 2).reshape(count))
    if kind in (TENSORS, RAGGED_TENSORS):
      return self._tensors(data, wire, count)
    if kind == EQUAL_LISTS:
      width = int(np.frombuffer(data, '<u4', 1, 2)[0])
      return self._whole(np.frombuffer(data, wire, -1, 6).reshape(count, width))
    lengths = np.frombuffer(data, '<u4', count, 2).astype(np.int64)
    return _split(self._numbers(data, wire, 2 + 4 * count), lengths)

  def _tensors(self, data: bytes, wire: np.dtype, count: int) -> Any:
    rank = data[2]
    dimensions = rank * (count if data[0] == RAGGED_TENSORS else 1)
    sizes = np.frombuffer(data, '<u4', dimensions, 4).astype(np.int64)
    if data[0] == TENSORS:
      return self._whole(np.frombuffer(data, wire, -1, _header_size(dimensions)).reshape(count, *sizes))
    shapes = sizes.reshape(count, rank)
    parts = _split(self._numbers(data, wire, _header_size(dimensions)), shapes.prod(axis=1))
    return [part.reshape(shape) for part, shape in zip(parts, shapes)]

  def _numbers(self, data: bytes, wire: np.dtype, offset: int) -> np.ndarray:
    # One copy, since models may want arrays that are aligned and can be written to.
    return np.frombuffer(data, wire, -1, offset).astype(self._number)

  def _whole(self, rows: np.ndarray) -> Unconverted:
    return Unconverted(rows, self._number)


def _split(elements: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
  """The elements in parts of these lengths. numpy alone would give what is too much or too little to the last one."""
  if int(lengths.sum()) != len(elements):
    raise ValueError(f'{len(elements)} numbers in lists of {int(lengths.sum())}')
  return np.split(elements, np.cumsum(lengths)[:-1])[:len(lengths)]


def _part(stream: Any) -> bytes:
  """The next bytes after their length."""
  if stream.size() < 1:
    raise _damaged('ends early')
  part = stream.read_all(True)
  if stream.size() < 0:
    raise _damaged('ends early')
  return part


def _damaged(what: str) -> BridgeError:
  return bridge_error('MALFORMED_DATA', f'a packed column {what}')


class ColumnWriter:
  """Writes columns of one declared type. Values must have been converted to it before.

  Numbers may come as they are in Python: those that TypeScript does not hold raise Misfit, which does not say where.
  """

  def __init__(self, field: schema_pb2.Field) -> None:
    listed = element_type(field.type)
    self.dtype = number_type(listed if listed is not None else field.type)
    self._is_list = listed is not None
    forms = Forms.of(field)
    self._is_bigint = (forms.part('e') if self._is_list else forms).is_bigint
    self._coder = _field_coder(field).get_impl()
    self._row = _row_class(_python_name(field))

  def write_block(self, block: np.ndarray) -> bytes:
    """Lists of one length, as the rows of an array of the declared type."""
    code, body = self._narrow(block)
    return bytes((EQUAL_LISTS, code)) + np.array(block.shape[1], '<u4').tobytes() + body

  def write_tensors(self, tensors: Any) -> bytes:
    """Tensors of the declared type: one array whose first dimension they are, or arrays of several shapes."""
    if isinstance(tensors, np.ndarray):
      return _tensor_header(TENSORS, tensors.dtype, tensors.ndim - 1, [tensors.shape[1:]]) + _tensor_body(tensors)
    parts = [_tensor_body(tensor) for tensor in tensors]
    header = _tensor_header(RAGGED_TENSORS, tensors[0].dtype, tensors[0].ndim, [tensor.shape for tensor in tensors])
    return header + b''.join(parts)

  def write_rows(self, columns: Sequence[bytes]) -> bytes:
    """Rows, from the columns of their fields."""
    return bytes((ROWS,)) + b''.join(map(prefixed, columns))

  def write(self, values: Sequence[Any]) -> bytes:
    if self.dtype is None:
      return self._coded(values)
    if not self._is_list:
      return self.write_numbers(np.asarray(values, self.dtype))
    return self.write_lists([np.asarray(value, self.dtype) for value in values])

  def write_numbers(self, numbers: np.ndarray) -> bytes:
    code, body = self._narrow(numbers)
    return bytes((NUMBERS, code)) + body

  def write_lists(self, lists: Sequence[np.ndarray]) -> bytes:
    lengths = np.fromiter(map(len, lists), '<u4', len(lists))
    code, body = self._narrow(np.concatenate(lists) if lists else np.empty(0, self.dtype))
    if len(lengths) and (lengths == lengths[0]).all():
      return bytes((EQUAL_LISTS, code)) + lengths[:1].tobytes() + body
    return bytes((LISTS, code)) + lengths.tobytes() + body

  def _coded(self, values: Sequence[Any]) -> bytes:
    stream = coder_impl.create_OutputStream()
    stream.write_byte(CODED)
    for value in values:
      self._coder.encode_to_stream(self._row(value), stream, True)
    return stream.get()

  def _narrow(self, numbers: np.ndarray) -> tuple[int, bytes]:
    wire = numbers.dtype
    if wire.kind == 'i' and numbers.size:
      low, high = int(numbers.min()), int(numbers.max())
      if not (self._is_bigint or -MOST <= low <= high <= MOST):
        raise Misfit(high if high > MOST else low, 'int64', UNSAFE)
      wire = next(t for t in WIRE_TYPES[:4] if np.iinfo(t).min <= low and high <= np.iinfo(t).max)
    wire = wire.newbyteorder('<')
    return _WIRE_CODES[wire], numbers.astype(wire).tobytes()


def _header_size(dimensions: int) -> int:
  return -(-(4 + 4 * dimensions) // 8) * 8


def _tensor_header(kind: int, dtype: np.dtype, rank: int, shapes: Sequence[tuple[int, ...]]) -> bytes:
  code = _WIRE_CODES[_tensor_wire(dtype)]
  header = bytes((kind, code, rank, 0)) + np.array(shapes, '<u4').tobytes()
  return header.ljust(_header_size(rank * len(shapes)), b'\0')


def _tensor_wire(dtype: np.dtype) -> np.dtype:
  return np.dtype('<u1') if dtype == np.bool_ else dtype.newbyteorder('<')


def _tensor_body(array: np.ndarray) -> bytes:
  return array.astype(_tensor_wire(array.dtype), copy=False).tobytes()


def _field_coder(field: schema_pb2.Field) -> coders.RowCoder:
  # A field moved out of its schema must not keep its place there.
  alone = schema_pb2.Field(name=field.name, type=field.type)
  return coders.RowCoder(in_python(schema_pb2.Schema(fields=[alone])))


def _python_name(field: schema_pb2.Field) -> str:
  return python_names([field.name])[field.name]


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
