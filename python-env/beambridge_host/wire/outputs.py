# SPDX-License-Identifier: Apache-2.0
"""What a model gave for a batch, proven to be one prediction for each example.

Beam pairs examples with whatever a model gives and cuts what is too long. A model with several outputs,
one that squeezes or transposes, or one that gives a constant beside its scores would then be wrong
without a word, in some sizes of a batch and not in others. Here an output counts as a batch where its
first dimension is as long as the batch. Several arrays in a tuple or list are several outputs, however
many there are: never predictions of as many examples.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Collection, Iterable, KeysView, Mapping, Sequence, Set, ValuesView
from typing import Any, Iterator, NamedTuple, Optional, Union

import numpy as np
from apache_beam.ml.inference import base

from beambridge_host.errors import BridgeError, FatalError, bridge_error
from beambridge_host.wire.conversions import as_numpy

_FIRST_DIMENSION = (
    'The first dimension of an output must be the batch, also for a batch of one: keep it where the model squeezes '
    'or transposes.')


def not_a_batch(message: str, hint: str = _FIRST_DIMENSION) -> BridgeError:
  """What a handler gives is wrong for every row, so that it is no row's own failure."""
  return bridge_error('INFERENCE_MISMATCH', message, hint=hint, make=FatalError)


class PerRow(list):
  """Predictions of which each is one example's, whatever they are."""


class Outputs(Sequence):
  """What the outputs of a model without names for them gave for one example, in their order."""

  def __init__(self, values: Iterable[Any]) -> None:
    self._values = tuple(values)

  def __len__(self) -> int:
    return len(self._values)

  def __getitem__(self, index: Any) -> Any:
    return self._values[index]

  def __repr__(self) -> str:
    return f'Outputs{self._values!r}'


class _Unfit(NamedTuple):
  """Why an output is no batch: it matters only where it is wanted."""
  reason: str


class Several(Sequence):
  """Several outputs for a batch: by their names, or in their order."""

  def __init__(self, columns: Mapping[Any, Any], named: bool, count: int, whole: Any = None) -> None:
    """
    Args:
      columns: what each output gave, or why it is no batch; by their places where they have no names.
      whole: all of them as one array, where they are the columns of a data frame.
    """
    self._columns = dict(columns)
    self._named = named
    self._count = count
    self._whole = whole

  def __len__(self) -> int:
    return self._count

  def copy(self) -> Several:
    """The same with arrays of its own."""
    columns = {name: column.copy() if isinstance(column, np.ndarray) else column for name, column in self._columns.items()}
    return Several(columns, self._named, self._count, self._whole)

  def __getitem__(self, at: Any) -> Any:
    if not isinstance(at, slice):
      place = range(self._count)[at]
      return next(iter(self[place:place + 1]))
    columns = {name: column if isinstance(column, _Unfit) else column[at] for name, column in self._columns.items()}
    return Several(
        columns, self._named, len(range(self._count)[at]), None if self._whole is None else self._whole[at])

  def __iter__(self) -> Iterator[Any]:
    columns = {name: column for name, column in self._columns.items() if not isinstance(column, _Unfit)}
    for values in zip(*columns.values()) if columns else ((),) * self._count:
      yield dict(zip(columns, values)) if self._named else Outputs(values)

  def followed_by(self, others: Sequence[Several]) -> Optional[Several]:
    """All of them as one, where they have the same outputs."""
    parts = [self, *others]
    if any(part._named != self._named or list(part._columns) != list(self._columns) for part in others):
      return None
    columns = {name: _joined([part._columns[name] for part in parts]) for name in self._columns}
    wholes = [part._whole for part in parts]
    whole = None if any(each is None for each in wholes) else _joined(wholes)
    return Several(columns, self._named, sum(map(len, parts)), whole)

  def picked(self, names: Sequence[str], nullable: Collection[str]) -> dict[str, Any]:
    """The outputs of these names. Raises for one that is not there or is no batch."""
    if not self._named:
      if len(names) != len(self._columns):
        raise self._undeclared(f'a row of {len(names)} fields')
      return {name: self._fit(place, nullable, name) for place, name in enumerate(names)}
    missing = [name for name in names if name not in self._columns]
    if missing:
      raise not_a_batch(
          f'the model gives no {missing[0]!r}, only {", ".join(map(str, self._columns)) or "nothing"}',
          hint='Name the fields of the declared inference as the outputs of the model are named.')
    return {name: self._fit(name, nullable, name) for name in names}

  def only(self, declared: str) -> Any:
    """The one array that these are. Raises where they are several."""
    if self._whole is not None:
      return self._whole
    if len(self._columns) != 1:
      raise self._undeclared(declared)
    name = next(iter(self._columns))
    return self._fit(name, (), name)

  @property
  def named(self) -> bool:
    """Whether the outputs have names."""
    return self._named

  def _fit(self, name: Any, nullable: Collection[str], field: Any) -> Any:
    column = self._columns[name]
    if not isinstance(column, _Unfit):
      return column
    if column.reason == _NOTHING and field in nullable:
      return [None] * self._count
    raise not_a_batch(f'the output {name!r} of the model {column.reason}')

  def _undeclared(self, declared: str) -> BridgeError:
    count = len(self._columns)
    outputs = f'{count} outputs' + (f' ({", ".join(map(str, self._columns))})' if self._named else '')
    fields = 'their names' if self._named else 'a field for each, in their order'
    return not_a_batch(
        f'the model gave {outputs}, and the declared inference is {declared}',
        hint=f'Declare inference: row({{ … }}) with {fields}, or give one of them in an inference function.')


_NOTHING = 'is None'


def _joined(columns: Sequence[Any]) -> Any:
  unfit = [column for column in columns if isinstance(column, _Unfit)]
  if unfit:
    return unfit[0]
  arrays = [as_numpy(column) for column in columns]
  if all(isinstance(array, np.ndarray) for array in arrays):
    if len({(array.dtype, array.shape[1:]) for array in arrays}) == 1:
      return np.concatenate(arrays)
  return [value for array in arrays for value in array]


def predictions_of(outputs: Any, count: int) -> Union[np.ndarray, Several, list[Any], Any]:
  """One prediction for each of `count` examples: an array or tensor, several outputs, or a list.

  Raises a FatalError where that is not what a model gave.
  """
  if isinstance(outputs, PerRow):
    return list(counted(outputs, count))
  if outputs is None or isinstance(outputs, (str, bytes, bytearray, memoryview, base.PredictionResult, Set, KeysView)):
    raise not_a_batch(
        f'the model handler gave {_described(outputs)} for {_examples(count)}',
        hint='It must give one prediction for each example, in order: an array, or a list.')
  if isinstance(outputs, ValuesView):
    outputs = tuple(outputs)
  names = _named(outputs)
  if names is not None:
    return Several({name: _column(value, count) for name, value in names.items()}, True, count)
  if is_array(outputs):
    return _batch(outputs, count)
  if isinstance(outputs, (list, tuple)):
    if not outputs or not _are_outputs(outputs, count):
      return list(counted(outputs, count))
    if len(outputs) == 1:
      return predictions_of(outputs[0], count)
    return Several(dict(enumerate(_column(value, count) for value in outputs)), False, count)
  if isinstance(outputs, Iterable):
    return list(counted(list(outputs), count))
  if count == 1 and isinstance(outputs, (bool, int, float, np.generic)):
    return [outputs]
  raise not_a_batch(f'the model handler gave {_described(outputs)} for {_examples(count)}')


def is_array(value: Any) -> bool:
  """Whether a value is an array, a tensor, a sparse matrix or a data frame."""
  return not isinstance(value, (np.generic, type)) and hasattr(value, 'shape') and hasattr(value, 'dtype') or _is_frame(value) or _is_sparse(value)


def _is_frame(value: Any) -> bool:
  return hasattr(value, 'columns') and hasattr(value, 'to_numpy') and hasattr(value, 'shape')


def _is_sparse(value: Any) -> bool:
  return callable(getattr(value, 'tocsr', None))


def _named(outputs: Any) -> Optional[Mapping[Any, Any]]:
  """Outputs that have names."""
  if isinstance(outputs, Mapping):
    return outputs
  if isinstance(outputs, tuple) and hasattr(outputs, '_asdict'):
    return outputs._asdict()
  if dataclasses.is_dataclass(outputs) and not isinstance(outputs, type):
    return {field.name: getattr(outputs, field.name) for field in dataclasses.fields(outputs)}
  if isinstance(outputs, np.ndarray) and outputs.dtype.names:
    return {name: outputs[name] for name in outputs.dtype.names}
  return None


def _are_outputs(values: Sequence[Any], count: int) -> bool:
  """Whether a tuple or list holds outputs, and not a prediction for each example."""
  if isinstance(values, tuple):
    # Nobody collects lists of predictions in a tuple.
    return any(is_array(value) or isinstance(value, (list, tuple)) and not hasattr(value, '_fields') for value in values)
  arrays = [value for value in values if is_array(value) and len(value.shape) > 0]
  if not arrays:
    return False
  # As Beam's functions for XGBoost give them: with more than one example none of these can be a batch.
  is_each = count > 1 and len(arrays) == len(values) == count and all(np.prod(array.shape) == 1 for array in arrays)
  return not is_each


def _column(value: Any, count: int) -> Any:
  """One output of several: a batch, or why it is none."""
  if value is None:
    return _Unfit(_NOTHING)
  try:
    if is_array(value):
      return _batch(value, count)
    if isinstance(value, (list, tuple)) and not _are_outputs(value, count):
      return list(counted(value, count))
  except BridgeError:
    pass
  return _Unfit(f'is {_described(value)} for {_examples(count)}')


def _batch(value: Any, count: int) -> Any:
  """An array or tensor whose first dimension is the batch."""
  shape = tuple(value.shape)
  if not shape and count == 1:
    # Of one example, which is how a model that squeezes gives it.
    return as_numpy(value).reshape(1)
  if not shape or shape[0] != count:
    raise not_a_batch(f'the model handler gave {_described(value)} for {_examples(count)}')
  if _is_frame(value):
    columns = {str(name): _plain(value[name]) for name in value.columns}
    return Several(columns, True, count, whole=value.to_numpy())
  return _plain(value)


def _plain(value: Any) -> Any:
  """An array of no special class, or the tensor itself."""
  if isinstance(value, np.ma.MaskedArray):
    # What is masked has no value: None, which a type must allow.
    return value.tolist() if np.ma.is_masked(value) else np.asarray(value.data)
  if isinstance(value, np.ndarray):
    return value if type(value) is np.ndarray else np.asarray(value)
  module = type(value).__module__.partition('.')[0]
  if module == 'pandas':
    array = value.to_numpy()
    pandas = importlib.import_module('pandas')
    return np.where(pandas.isna(array), None, array) if array.dtype == object else array
  if _is_sparse(value):
    return np.asarray(value.toarray())
  if module == 'torch' and (value.layout is not importlib.import_module('torch').strided or value.is_nested):
    return value.to_dense() if not value.is_nested else list(value.unbind())
  if module == 'tensorflow':
    name = type(value).__name__
    if name == 'RaggedTensor':
      return list(value)
    return importlib.import_module('tensorflow').sparse.to_dense(value) if name == 'SparseTensor' else value
  return value


def counted(predictions: Sequence[Any], examples: Union[int, Sequence[Any]]) -> Sequence[Any]:
  """The predictions. Raises where they are more or fewer than the examples."""
  count = examples if isinstance(examples, int) else len(examples)
  if len(predictions) != count:
    raise not_a_batch(
        f'the model handler gave {_number(len(predictions), "prediction")} for {_examples(count)}',
        hint='A handler must give one prediction for each example, in order.')
  return predictions


def _described(value: Any) -> str:
  if value is None:
    return 'nothing'
  shape = getattr(value, 'shape', None)
  kind = type(value)
  name = kind.__qualname__ if kind.__module__ == 'builtins' else f'{kind.__module__}.{kind.__qualname__}'
  if shape is not None and not isinstance(value, np.generic):
    return f'one {name} of shape {[None if size is None else int(size) for size in shape]}'
  return f'a {name}'


def _examples(count: int) -> str:
  return _number(count, 'example')


def _number(count: int, of: str) -> str:
  return f'{count} {of}' if count == 1 else f'{count} {of}s'
