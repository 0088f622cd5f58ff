# SPDX-License-Identifier: Apache-2.0
"""Data frames of a batch, whose columns have the types that were declared.

pandas finds a column's type by its values: a column of texts that happens to be all null, or one of whole
numbers with a null, has another type than the same column beside other rows, and a model then predicts
something else. Here the declared type decides, each time alike; docs/python-types.md has the table.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable, Iterator, Optional

import numpy as np
from apache_beam.portability.api import schema_pb2

from beambridge_host.errors import bridge_error
from beambridge_host.wire.columns import NUMBER_TYPES, Rows, element_type
from beambridge_host.wire.instants import INSTANTS
from beambridge_host.wire.tensors import Forms

_DECIMALS = ('beam:logical_type:decimal:v1', 'beam:logical_type:fixed_decimal:v1')

Build = Callable[[Any], Any]


class Frames(Sequence):
  """A frame as what Beam's handlers take: a sequence of frames of one row."""

  def __init__(self, frame: Any) -> None:
    self.frame = frame

  def __len__(self) -> int:
    return len(self.frame)

  def __getitem__(self, at: Any) -> Any:
    if isinstance(at, slice):
      return Frames(self.frame.iloc[at])
    place = range(len(self.frame))[at]
    return self.frame.iloc[[place]]

  def __iter__(self) -> Iterator[Any]:
    return (self.frame.iloc[[place]] for place in range(len(self.frame)))

  @staticmethod
  def joined(parts: Sequence[Frames]) -> Sequence[Any]:
    """The rows of several; one by one where their columns are unlike, for whoever asks the model to refuse."""
    if len(parts) == 1:
      return parts[0]
    if not are_alike([part.frame for part in parts]):
      return [row for part in parts for row in part]
    return Frames(_pandas().concat([part.frame for part in parts], ignore_index=True))


def whole_frame(batch: Any) -> Any:
  """Frames of one row as one frame, whose index counts the rows of this batch.

  A column that an inference function makes itself counts them too, and pandas puts columns together by the index.
  """
  if isinstance(batch, Frames):
    return batch.frame.reset_index(drop=True)
  check_alike(batch)
  return _pandas().concat(list(batch), ignore_index=True)


def are_alike(frames: Sequence[Any]) -> bool:
  """Whether frames have the same columns, in any order."""
  return len({frozenset(frame.columns) for frame in frames}) < 2


def check_alike(frames: Sequence[Any]) -> None:
  """Raises for frames of unlike columns: pandas would put NaN into those that a row has not, as if it had been given."""
  if not are_alike(frames):
    raise _unlike(len(frame.columns) for frame in frames)


def _unlike(widths: Iterable[int]) -> ValueError:
  counts = sorted(set(widths))
  if len(counts) < 2:
    return ValueError('rows of other columns are no data frame')
  return ValueError(f'rows of {" and ".join(map(str, counts))} columns are no data frame')


def frames_of(field: schema_pb2.Field) -> Callable[[Sequence[Any]], Frames]:
  """A function from values of this declared type to frames: a column for each field of a row, else for each number."""
  info = field.type.WhichOneof('type_info')
  if info == 'map_type':
    raise bridge_error(
        'INVALID_ARGUMENT', 'a data frame cannot be made of maps: which columns it has would depend on the batch',
        hint='Declare example: row({ … }) with a field for each column.')
  if info != 'row_type' or Forms.of(field).tensor is not None:
    return _numbered(field)
  builds = {each.name: column_of(each) for each in field.type.row_type.schema.fields}

  def frames(values: Sequence[Any]) -> Frames:
    if isinstance(values, Rows):
      columns: Mapping[str, Any] = values.columns
    elif isinstance(values[0], Mapping):
      columns = {name: [value[name] for value in values] for name in builds}
    else:
      columns = dict(zip(builds, zip(*values)))
    index = _pandas().RangeIndex(len(values))
    return Frames(_pandas().DataFrame({name: build(columns[name]) for name, build in builds.items()}, index=index))

  return frames


def _numbered(field: schema_pb2.Field) -> Callable[[Sequence[Any]], Frames]:
  listed = element_type(field.type)
  is_tensor = Forms.of(field).tensor is not None
  is_array = listed is not None or is_tensor
  build = column_of(schema_pb2.Field(name=field.name, type=listed) if listed is not None else field)

  def frames(values: Sequence[Any]) -> Frames:
    if not is_array:
      return Frames(_pandas().DataFrame({0: build(values)}))
    if isinstance(values, np.ndarray):
      block = values.reshape(len(values), -1)
      return Frames(_pandas().DataFrame(block))
    if is_tensor:
      # A tensor is as many columns as it has elements, also where it comes by itself.
      values = [np.ravel(value) for value in values]
    widths = {len(value) for value in values}
    if len(widths) > 1:
      raise _unlike(widths)
    if is_tensor:
      return Frames(_pandas().DataFrame(np.stack(values)))
    return Frames(_pandas().DataFrame({at: build(column) for at, column in enumerate(zip(*values))}))

  return frames


def column_of(field: schema_pb2.Field) -> Build:
  """A function that makes a column of values of a declared type."""
  kind, nullable = field.type, field.type.nullable
  info = kind.WhichOneof('type_info')
  forms = Forms.of(field)
  if forms.tensor is not None:
    return _objects
  if info == 'atomic_type':
    dtype = NUMBER_TYPES.get(kind.atomic_type)
    if dtype is not None:
      return _with_nulls(dtype) if nullable else lambda values: np.asarray(values, dtype)
    if kind.atomic_type == schema_pb2.BOOLEAN:
      # Of pandas' own nullable booleans, scikit-learn's trees take none; XGBoost takes no objects.
      return _with_nulls(np.dtype(np.float64)) if nullable else lambda values: np.asarray(values, np.bool_)
    if kind.atomic_type == schema_pb2.STRING:
      categories = forms.enumeration
      return _texts if categories is None else lambda values: _pandas().Categorical(values, categories=categories)
  if info == 'logical_type':
    urn = kind.logical_type.urn
    if urn in INSTANTS:
      return _instants
    if urn in _DECIMALS:
      return lambda values: np.asarray([np.nan if value is None else float(value) for value in values], np.float64)
    if kind.logical_type.representation.atomic_type == schema_pb2.STRING:
      return _texts
  return _objects


def numbers_of(field: schema_pb2.Field) -> Optional[Build]:
  """A function that makes numbers of values that may be null, as in a frame; None for types without such."""
  listed = element_type(field.type)
  kind = field.type if listed is None else listed
  is_number = kind.atomic_type in NUMBER_TYPES or kind.atomic_type == schema_pb2.BOOLEAN
  if not kind.nullable or kind.WhichOneof('type_info') != 'atomic_type' or not is_number:
    return None
  build = column_of(schema_pb2.Field(name=field.name, type=kind))
  return build if listed is None else lambda values: [build(value) for value in values]


def _with_nulls(dtype: np.dtype) -> Build:
  kind = dtype if dtype.kind == 'f' else np.dtype(np.float64)

  def column(values: Sequence[Any]) -> np.ndarray:
    numbers = np.asarray([np.nan if value is None else value for value in values], kind)
    if dtype.itemsize == 8 and dtype.kind == 'i':
      _refuse_rounded(values, numbers)
    return numbers

  return column


def _refuse_rounded(values: Sequence[Any], numbers: np.ndarray) -> None:
  for place in np.flatnonzero(np.abs(numbers) >= 2**53):
    if int(numbers[place]) != values[place]:
      raise ValueError(f'{values[place]} would be rounded: a nullable whole number is a float64 in a data frame')


def _texts(values: Sequence[Any]) -> Any:
  pandas = _pandas()
  # Before pandas 3 a column of texts is one of objects, and 'str' would make a text of None.
  dtype = 'str' if int(pandas.__version__.partition('.')[0]) >= 3 else object
  return pandas.Series(list(values), dtype=dtype)


def _instants(values: Sequence[Any]) -> np.ndarray:
  micros = [np.iinfo(np.int64).min if value is None else value.micros for value in values]
  return np.asarray(micros, np.int64).view('datetime64[us]')


def _objects(values: Sequence[Any]) -> np.ndarray:
  out = np.empty(len(values), object)
  for place, value in enumerate(values):
    out[place] = value
  return out


def _pandas() -> Any:
  return importlib.import_module('pandas')
