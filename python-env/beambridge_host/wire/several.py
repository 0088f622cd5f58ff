# SPDX-License-Identifier: Apache-2.0
"""Several outputs of a model for a batch, and what they are for one row of it.

A row carries all that is known of its outputs, so that what is said of it is the same whether it is looked at by itself (in dead
letters, after a child process, with a model per key, in a batch of several shapes) or in the batch.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Iterator, NamedTuple, Optional, Union

import numpy as np

from beambridge_host.errors import BridgeError, FatalError, bridge_error
from beambridge_host.wire.exact_numbers import as_numpy
from beambridge_host.wire.owned import Holder, owned

_FIRST_DIMENSION = (
    'The first dimension of an output must be the batch, also for a batch of one: keep it where the model squeezes '
    'or transposes.')


def not_a_batch(message: str, hint: str = _FIRST_DIMENSION) -> BridgeError:
  """What a handler gives is wrong for every row, so that it is no row's own failure."""
  return bridge_error('INFERENCE_MISMATCH', message, hint=hint, make=FatalError)


class Unfit(NamedTuple):
  """Why an output is no batch: it matters only where it is wanted."""
  reason: str
  hint: str = _FIRST_DIMENSION


NOTHING = 'is None'


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

  def of(self) -> Mapping[Any, Any]:
    """By their places."""
    return dict(enumerate(self._values))


class NamedOutputs(dict):
  """What the outputs of a model gave for one example, by their names; those that are no batch are not among them."""

  def __init__(self, values: Mapping[Any, Any], unfit: Mapping[Any, Unfit], whole: Any = None) -> None:
    """
    Args:
      values: what each output gave.
      unfit: why others are no batch.
      whole: all of them as one array, where they are the columns of a data frame.
    """
    super().__init__(values)
    self._unfit = dict(unfit)
    self.whole = whole

  def __reduce__(self) -> Any:
    return NamedOutputs, (dict(self), self._unfit, self.whole)

  def of(self) -> Mapping[Any, Any]:
    """All of them, or why one is no batch."""
    return {**self, **self._unfit}


RowOutputs = Union[Outputs, NamedOutputs]


class OutputType(NamedTuple):
  """What a declared type wants of several outputs."""
  # As TypeScript writes it.
  type: str
  # Fields of a row; None for other types.
  names: Optional[Sequence[str]]
  # Fields that may be null.
  nullable: Collection[str]
  # Whether it is a map from names, and whether its values may be null.
  is_map: bool
  null_items: bool
  # Whether a row of a data frame is one value of it: a list or tensor.
  is_list: bool

  def choose(self, outputs: Mapping[Any, Any], named: bool) -> Any:
    """The outputs that are wanted, by field; or the only one. An Unfit among them only as None. Raises for others."""
    if self.names is not None:
      return self._by_field(outputs, named)
    if self.is_map and named:
      return {name: _fit(output, name, self.null_items) for name, output in outputs.items()}
    if len(outputs) != 1:
      raise self._undeclared(outputs, named, self.type)
    (name, output), = outputs.items()
    return _fit(output, name, False)

  def _by_field(self, outputs: Mapping[Any, Any], named: bool) -> dict[str, Any]:
    if not named:
      if len(self.names) != len(outputs):
        raise self._undeclared(outputs, named, f'a row of {len(self.names)} fields')
      return {field: _fit(outputs[place], place, field in self.nullable) for place, field in enumerate(self.names)}
    missing = [field for field in self.names if field not in outputs]
    if missing:
      raise not_a_batch(
          f'the model gives no {missing[0]!r}, only {", ".join(map(str, outputs)) or "nothing"}',
          hint='Name the fields of the declared inference as the outputs of the model are named.')
    return {field: _fit(outputs[field], field, field in self.nullable) for field in self.names}

  @staticmethod
  def _undeclared(outputs: Mapping[Any, Any], named: bool, declared: str) -> BridgeError:
    count = len(outputs)
    shown = f'{count} outputs' + (f' ({", ".join(map(str, outputs))})' if named else '')
    fields = 'their names' if named else 'a field for each, in their order'
    return not_a_batch(
        f'the model gave {shown}, and the declared inference is {declared}',
        hint=f'Declare inference: row({{ … }}) with {fields}, or give one of them in an inference function.')


def _fit(output: Any, name: Any, nullable: bool) -> Any:
  if not isinstance(output, Unfit):
    return output
  if output.reason == NOTHING and nullable:
    return None
  raise not_a_batch(f'the output {name!r} of the model {output.reason}', output.hint)


class Several(Sequence, Holder):
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
    return Several({name: owned(column) for name, column in self._columns.items()}, self._named, self._count, owned(self._whole))

  def __getitem__(self, at: Any) -> Any:
    if not isinstance(at, slice):
      place = range(self._count)[at]
      return next(iter(self[place:place + 1]))
    columns = {name: column if isinstance(column, Unfit) else column[at] for name, column in self._columns.items()}
    return Several(
        columns, self._named, len(range(self._count)[at]), None if self._whole is None else self._whole[at])

  def __iter__(self) -> Iterator[RowOutputs]:
    fit = {name: column for name, column in self._columns.items() if not isinstance(column, Unfit)}
    unfit = {name: column for name, column in self._columns.items() if isinstance(column, Unfit)}
    wholes = self._whole if self._whole is not None else (None,) * self._count
    rows = zip(*fit.values()) if fit else ((),) * self._count
    for values, whole in zip(rows, wholes):
      row = dict(zip(fit, values))
      yield NamedOutputs(row, unfit, whole) if self._named else Outputs({**row, **unfit}[place] for place in self._columns)

  def unfit(self) -> int:
    """How many of the outputs are no batch."""
    return sum(isinstance(column, Unfit) for column in self._columns.values())

  def followed_by(self, others: Sequence[Several]) -> Optional[Several]:
    """All of them as one, where they have the same outputs."""
    parts = [self, *others]
    if any(part._named != self._named or list(part._columns) != list(self._columns) for part in others):
      return None
    # An output may be None in one call and a batch in another: each row keeps what its own call gave.
    if any(_unfit(part._columns[name]) != _unfit(self._columns[name]) for part in others for name in self._columns):
      return None
    columns = {name: _joined([part._columns[name] for part in parts]) for name in self._columns}
    wholes = [part._whole for part in parts]
    whole = None if any(each is None for each in wholes) else _joined(wholes)
    return Several(columns, self._named, sum(map(len, parts)), whole)

  def chosen(self, declared: OutputType) -> Any:
    """What a declared type wants of them: a column for each field of a row, a list of maps, or the only column."""
    if self._whole is not None and declared.is_list:
      return self._whole
    columns = declared.choose(self._columns, self._named)
    if declared.names is not None or not (declared.is_map and self._named):
      return columns if not isinstance(columns, dict) else {name: self._or_nones(each) for name, each in columns.items()}
    columns = {name: self._or_nones(each) for name, each in columns.items()}
    return [dict(zip(columns, row)) for row in zip(*columns.values())] if columns else [{}] * self._count

  def _or_nones(self, column: Any) -> Any:
    return [None] * self._count if column is None else column


def chosen(outputs: RowOutputs, declared: OutputType) -> Any:
  """What a declared type wants of the outputs for one example: as Several.chosen."""
  named = isinstance(outputs, NamedOutputs)
  if named and outputs.whole is not None and declared.is_list:
    return outputs.whole
  return declared.choose(outputs.of(), named)


def _unfit(column: Any) -> Optional[Unfit]:
  return column if isinstance(column, Unfit) else None


def _joined(columns: Sequence[Any]) -> Any:
  if isinstance(columns[0], Unfit):
    return columns[0]
  arrays = [as_numpy(column) for column in columns]
  if all(isinstance(array, np.ndarray) for array in arrays):
    if len({(array.dtype, array.shape[1:]) for array in arrays}) == 1:
      return np.concatenate(arrays)
  return [value for array in arrays for value in array]
