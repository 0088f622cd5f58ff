# SPDX-License-Identifier: Apache-2.0
"""What a model gave for a batch, proven to be one prediction for each example.

Beam pairs examples with whatever a model gives and cuts what is too long. A model with several outputs,
one that squeezes or transposes, or one that gives a constant beside its scores would then be wrong
without a word, in some sizes of a batch and not in others. Here an output counts as a batch where its
first dimension is as long as the batch. Arrays in a tuple, or in a list that a model itself gave, are several
outputs, however many there are: never predictions of as many examples. In any other list they may be either, which no
batch tells: they are refused.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterable, Iterator, KeysView, Mapping, Sequence, Set, ValuesView
from typing import Any, Optional, Union

import numpy as np
from apache_beam.ml.inference import base

from beambridge_host.errors import BridgeError
from beambridge_host.wire.exact_numbers import MISSING, as_numpy
from beambridge_host.wire.several import NOTHING, Several, Unfit, not_a_batch

class PerRow(list):
  """Predictions of which each is one example's, whatever they are."""


def predictions_of(outputs: Any, count: int, of_frame: bool = False) -> Union[np.ndarray, Several, list[Any], Any]:
  """One prediction for each of `count` examples: an array or tensor, several outputs, or a list.

  Raises a FatalError where that is not what a model gave.

  Args:
    of_frame: whether whoever gave them was given a data frame, whose index counts the rows of the batch. Else an index is anybody's.
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
    return Several({name: _column(value, count, of_frame) for name, value in names.items()}, True, count)
  if is_array(outputs):
    return _batch(outputs, count, of_frame)
  if _are_batches_of_one(outputs, count):
    return [next(iter(as_numpy(predictions_of(output, 1, of_frame)))) for output in outputs]
  if isinstance(outputs, list):
    return list(counted(_of_each(outputs, count), count))
  if isinstance(outputs, tuple):
    if not _are_outputs(outputs):
      return list(counted(outputs, count))
    if len(outputs) == 1:
      return predictions_of(outputs[0], count, of_frame)
    return Several(dict(enumerate(_column(value, count, of_frame) for value in outputs)), False, count)
  if isinstance(outputs, Iterable):
    return list(counted(list(outputs), count))
  if count == 1 and isinstance(outputs, (bool, int, float, np.generic)):
    return [outputs]
  raise not_a_batch(f'the model handler gave {_described(outputs)} for {_examples(count)}')


def predictions_of_filled(outputs: Any, count: int, given: int, of_frame: bool = False) -> Union[np.ndarray, Several, list[Any], Any]:
  """The same for `given` examples that a handler filled up to `count`: for all where it gave so many, or else for its examples alone."""
  if isinstance(outputs, Iterator):
    outputs = PerRow(outputs)
  try:
    filled = predictions_of(outputs, count, of_frame)
  except BridgeError:
    filled = None
  if filled is None:
    return predictions_of(outputs, given, of_frame)
  if isinstance(filled, Several) and filled.unfit():
    return min(filled, predictions_of(outputs, given, of_frame), key=Several.unfit)
  return filled


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


def of_model(outputs: Any) -> Any:
  """What a model of Keras or PyTorch itself gave, and no function around it: arrays in a list are its outputs."""
  return tuple(outputs) if type(outputs) is list and any(map(_has_dimensions, outputs)) else outputs


def of_estimator(outputs: Any) -> Any:
  """What a method of an estimator gave, which may be anybody's class: matrices in a list are its outputs, as of scikit-learn's
  classifiers for several labels."""
  return _Matrices(outputs) if type(outputs) is list and all(is_array(each) and len(each.shape) > 1 for each in outputs) else outputs


class _Matrices(tuple):
  """Outputs, or what an estimator that asks about each example by itself gave for each."""


def _has_dimensions(value: Any) -> bool:
  return is_array(value) and len(value.shape) > 0


def _are_outputs(values: tuple[Any, ...]) -> bool:
  """Whether a tuple holds outputs. Nobody collects lists of predictions in one."""
  return any(is_array(value) or isinstance(value, (list, tuple)) and not hasattr(value, '_fields') for value in values)


def _are_batches_of_one(values: Any, count: int) -> bool:
  """Whether a model was asked about each example by itself, as Beam's functions for XGBoost do: outputs for all would be longer.

  What a tuple of a model's holds are outputs, also two of one row each for two examples.
  """
  return (
      isinstance(values, (list, _Matrices)) and len(values) == count and
      all(_has_dimensions(value) and value.shape[0] == 1 for value in values))


def _of_each(values: list[Any], count: int) -> list[Any]:
  """A list with a prediction for each example. Raises where it may hold outputs as well."""
  if not any(map(_has_dimensions, values)):
    return values
  raise not_a_batch(
      f'the model handler gave a list of {_number(len(values), "array")} for {_examples(count)}: one for each example, or as many outputs',
      hint='Give numpy.stack(…) or lists (.tolist()) for one for each example, and a tuple or a dict for several outputs.')


def _column(value: Any, count: int, of_frame: bool) -> Any:
  """One output of several: a batch, or why it is none."""
  if value is None:
    return Unfit(NOTHING)
  try:
    if is_array(value):
      order = _other_order(value) if of_frame else None
      return _batch(value, count, of_frame) if order is None else Unfit(f'has {order}', _HOW_TO_ORDER)
    if _are_batches_of_one(value, count):
      return list(predictions_of(value, count, of_frame))
    if isinstance(value, list) or isinstance(value, tuple) and not _are_outputs(value):
      return list(counted(_of_each(list(value), count), count))
  except BridgeError:
    pass
  return Unfit(f'is {_described(value)} for {_examples(count)}')


def _batch(value: Any, count: int, of_frame: bool) -> Any:
  """An array or tensor whose first dimension is the batch."""
  shape = tuple(value.shape)
  if not shape and count == 1:
    # Of one example, which is how a model that squeezes gives it.
    return as_numpy(value).reshape(1)
  if not shape or shape[0] != count:
    raise not_a_batch(f'the model handler gave {_described(value)} for {_examples(count)}')
  order = _other_order(value) if of_frame else None
  if order is not None:
    raise not_a_batch(f'the model handler gave {order}', _HOW_TO_ORDER)
  if _is_frame(value):
    columns = {str.__str__(name) if isinstance(name, str) else str(name): _plain(value[name]) for name in value.columns}
    return Several(columns, True, count, whole=value.to_numpy())
  return _plain(value)


_HOW_TO_ORDER = 'sort_index() puts them back. Where they are in the order of the batch, give reset_index(drop=True).'


def _other_order(value: Any) -> Optional[str]:
  """What the index of a frame or series says, where its rows stand in another order than those of the batch."""
  index = value.index if hasattr(value, 'iloc') else None
  if index is None or index.dtype.kind not in 'iu' or index.is_monotonic_increasing:
    return None
  if not np.array_equal(np.sort(index.to_numpy()), np.arange(len(index))):
    return None
  return f'the rows of the batch in another order: its index begins with {index[:5].tolist()}'


def _plain(value: Any) -> Any:
  """An array of no special class, or the tensor itself."""
  if isinstance(value, np.ma.MaskedArray):
    return as_numpy(value)
  if isinstance(value, np.ndarray):
    return value if type(value) is np.ndarray else np.asarray(value)
  module = type(value).__module__.partition('.')[0]
  if module == 'pandas':
    array = value.to_numpy()
    missing = importlib.import_module('pandas').isna(array)
    if array.dtype == object:
      return np.where(missing, None, array)
    if array.dtype.kind == 'f' and missing.any():
      array = array.astype(object)
      array[missing] = MISSING
    return array
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
