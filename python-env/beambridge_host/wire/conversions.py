# SPDX-License-Identifier: Apache-2.0
"""What a model handler returned, as exactly the type that the pipeline declared.

Beam's row coder would truncate a float into an int64 and take anything for a boolean. Here a value
either fits its declared type or is refused by name: nothing is rounded, cut or guessed.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import dataclasses
import datetime
import decimal
import math
import operator
from types import SimpleNamespace
from typing import Any, Callable, Iterable, Mapping, Optional

import numpy as np
from apache_beam.portability.api import schema_pb2
from apache_beam.typehints.schemas import LogicalType

from beambridge_host.wire.columns import NUMBER_TYPES
from beambridge_host.wire.exact_numbers import as_float, as_numpy, is_null, is_time, tensor_array
from beambridge_host.wire.field_names import python_names
from beambridge_host.wire.instants import INSTANTS, instant
from beambridge_host.wire.map_entries import map_of
from beambridge_host.wire.misfit import MOST, UNSAFE, Misfit, type_name
from beambridge_host.wire.tensors import Forms, represented

Convert = Callable[[Any], Any]

# Types whose values a dict has as keys.
_PLAIN = ('atomic_type', 'logical_type')

# The exponent of TypeScript's decimals, either way.
_MOST_OF_SCALE = 100_000


_TIME = ("a time is no number: declare an instant, or give its count in a unit, as value.astype('datetime64[ms]').astype('int64') "
         "or value / numpy.timedelta64(1, 'ms')")


def _scalar(value: Any) -> Any:
  """A Python scalar where there is exactly one; arrays of one element hold one."""
  value = as_numpy(value)
  # Of a time it would be the count of its nanoseconds.
  if isinstance(value, (np.ndarray, np.generic)) and value.size == 1 and not is_time(value):
    return value.item()
  return value


def _no_number(value: Any, declared: str) -> Misfit:
  times = (datetime.date, datetime.timedelta)
  return Misfit(value, declared, _TIME if isinstance(value, times) or is_time(as_numpy(value)) else '')


def _whole(dtype: np.dtype, is_bigint: bool, declared: str) -> Convert:
  low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
  least, most = (low, high) if is_bigint or high <= MOST else (-MOST, MOST)

  def convert(value: Any) -> int:
    scalar = _scalar(value)
    if isinstance(scalar, bool) or not isinstance(scalar, (int, float)):
      raise _no_number(value, declared)
    if isinstance(scalar, float):
      if not scalar.is_integer():
        raise Misfit(value, declared, 'it is not a whole number')
      scalar = int(scalar)
    if not least <= scalar <= most:
      raise Misfit(value, declared, UNSAFE if low <= scalar <= high else 'it is out of range')
    return operator.index(scalar)

  return convert


def _fraction(dtype: np.dtype, declared: str) -> Convert:
  def convert(value: Any) -> float:
    scalar = _scalar(value)
    if isinstance(scalar, bool) or not isinstance(scalar, (int, float)):
      raise _no_number(value, declared)
    try:
      number = float(scalar)
    except OverflowError:
      raise Misfit(value, declared, 'it is out of range') from None
    rounded = as_float(number, dtype)
    if math.isfinite(number) and math.isinf(rounded):
      raise Misfit(value, declared, 'it is out of range')
    if isinstance(scalar, int) and int(rounded) != scalar:
      raise Misfit(value, declared, 'it would be rounded')
    return number

  return convert


def _boolean(value: Any) -> bool:
  scalar = _scalar(value)
  if not isinstance(scalar, bool):
    raise Misfit(value, 'boolean')
  return scalar


def _string(value: Any) -> str:
  scalar = _scalar(value)
  if isinstance(scalar, bytes):
    # What TensorFlow calls a string.
    try:
      return scalar.decode()
    except UnicodeDecodeError:
      raise Misfit(value, 'string', 'it is no UTF-8') from None
  if not isinstance(scalar, str):
    raise Misfit(value, 'string')
  if not scalar.isascii():
    try:
      scalar.encode()
    except UnicodeEncodeError:
      raise Misfit(value, 'string', 'it holds half a surrogate pair') from None
  # Of an enumeration's member `str` says which it is, and not its text.
  return str.__str__(scalar)


def _one_of(values: Iterable[str], declared: str) -> Convert:
  known = frozenset(values)

  def convert(value: Any) -> str:
    text = _string(value)
    if text not in known:
      raise Misfit(value, declared, 'it is none of the declared values')
    return text

  return convert


def _bytes(value: Any) -> bytes:
  if isinstance(value, (bytes, bytearray, memoryview)):
    return bytes(value)
  plain = as_numpy(value)
  if isinstance(plain, np.ndarray) and plain.dtype == np.uint8 and plain.ndim == 1:
    return plain.tobytes()
  if isinstance(scalar := _scalar(plain), bytes):
    return scalar
  raise Misfit(value, 'bytes')


def _list(convert: Convert, declared: str) -> Convert:
  def convert_list(value: Any) -> list[Any]:
    plain = as_numpy(value)
    if not isinstance(plain, (list, tuple, np.ndarray)) or (isinstance(plain, np.ndarray) and plain.ndim == 0):
      raise Misfit(value, declared)
    out = []
    try:
      for element in plain:
        out.append(convert(element))
    except Misfit as misfit:
      misfit.path = f'[{len(out)}]{misfit.path}'
      raise
    return out

  return convert_list


def fields_of(value: Any) -> Optional[Mapping[str, Any]]:
  """Whatever has named parts, as a mapping of them."""
  if isinstance(value, Mapping):
    return value
  if hasattr(value, '_asdict'):
    return value._asdict()
  if dataclasses.is_dataclass(value) and not isinstance(value, type):
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
  if isinstance(value, (str, bytes, int, float, list, tuple, np.ndarray, np.generic)):
    return None
  return getattr(value, '__dict__', None)


def _row(schema: schema_pb2.Schema, declared: str) -> Convert:
  converts = {field.name: converter(field.type, Forms.of(field)) for field in schema.fields}
  names = python_names(converts)
  # A row that a handler passes on has them.
  renamed = {ours: name for name, ours in names.items() if ours != name}

  def convert(value: Any) -> Any:
    fields = fields_of(value)
    if fields is None:
      raise Misfit(value, declared)
    if renamed:
      fields = {name if name in converts else renamed.get(name, name): part for name, part in fields.items()}
    missing = next((name for name in converts if name not in fields), None)
    extra = [name for name in fields if name not in converts]
    if missing is not None and extra:
      # A field that may be null would be taken for null where its name is written wrong.
      raise Misfit(value, declared, f'it has no field {missing!r}, and an undeclared field {extra[0]!r}')
    row = SimpleNamespace()
    for name, convert_field in converts.items():
      try:
        setattr(row, names[name], convert_field(fields.get(name)))
      except Misfit as misfit:
        if name not in fields:
          misfit.why = 'the field is missing'
        misfit.path = f'.{name}{misfit.path}'
        raise
    return row

  return convert


def _decimal(declared: str) -> Convert:
  def convert(value: Any) -> decimal.Decimal:
    if not isinstance(value, decimal.Decimal):
      raise Misfit(value, declared)
    if not value.is_finite():
      raise Misfit(value, declared, 'it is not finite')
    if abs(int(value.as_tuple().exponent)) > _MOST_OF_SCALE:
      raise Misfit(value, declared, 'its exponent is out of range')
    return value

  return convert


def _logical(logical: schema_pb2.LogicalType, declared: str) -> Convert:
  if logical.urn in INSTANTS:
    return instant(INSTANTS[logical.urn], declared)
  if logical.urn == 'beam:logical_type:decimal:v1':
    return _decimal(declared)
  language_type = LogicalType.from_runner_api(logical).language_type()
  represented = converter(logical.representation) if language_type in (str, bytes) else None
  limit = logical.argument.atomic_value.int32 or None

  def convert(value: Any) -> Any:
    if represented is not None:
      out = represented(value)
      if limit and len(out) > limit:
        raise Misfit(value, declared, f'it is longer than {limit}')
      return out
    if not isinstance(value, language_type):
      raise Misfit(value, declared)
    return value

  return convert


def converter(field_type: schema_pb2.FieldType, forms: Forms = Forms({})) -> Convert:
  """A function that makes a value fit for Beam's coder of `field_type`, or raises Misfit."""
  convert = _required(field_type, forms)
  declared = type_name(field_type, forms)

  def nullable(value: Any) -> Any:
    return None if is_null(value) else convert(value)

  def required(value: Any) -> Any:
    if value is None:
      raise Misfit(value, declared)
    return convert(value)

  return nullable if field_type.nullable else required


def _required(field_type: schema_pb2.FieldType, forms: Forms) -> Convert:
  info = field_type.WhichOneof('type_info')
  declared = type_name(field_type, forms)
  tensor = forms.tensor
  if tensor is not None:
    return lambda value: represented(tensor, tensor_array(tensor, value))
  if info == 'atomic_type':
    dtype = NUMBER_TYPES.get(field_type.atomic_type)
    if forms.enumeration is not None:
      return _one_of(forms.enumeration, declared)
    if dtype is None:
      return {
          schema_pb2.BOOLEAN: _boolean, schema_pb2.STRING: _string, schema_pb2.BYTES: _bytes
      }[field_type.atomic_type]
    if dtype.kind == 'i':
      return _whole(dtype, forms.is_bigint, declared)
    return _fraction(dtype, declared)
  if info == 'map_type':
    key, item = field_type.map_type.key_type, field_type.map_type.value_type
    return map_of(converter(key, forms.part('k')), converter(item, forms.part('v')), declared, key.WhichOneof('type_info') in _PLAIN)
  if info == 'row_type':
    return _row(field_type.row_type.schema, declared)
  if info == 'logical_type':
    return _logical(field_type.logical_type, declared)
  return _list(converter(getattr(field_type, info).element_type, forms.part('e')), declared)
