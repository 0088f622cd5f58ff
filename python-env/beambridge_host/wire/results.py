# SPDX-License-Identifier: Apache-2.0
"""Predictions of a batch that stay the array which the model gave.

Beam's handlers make an object of each prediction, which takes longer than a small model does, and
then each is taken apart again. Here the array is kept for whoever writes all predictions at once;
who looks at single ones (functions after the handler, a handler around it) gets Beam's objects.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import itertools
from typing import Any, Iterable, Iterator, NamedTuple, Optional, Sequence, Union

import numpy as np
from apache_beam.ml.inference import base, utils

from beambridge_host.wire.conversions import as_numpy


class _Part(NamedTuple):
  """What one call of a handler gave."""
  examples: Sequence[Any]
  # A numpy array or a tensor of some framework; its first dimension is that of the examples.
  inferences: Any
  model_id: Optional[str]


class Results(Sequence):
  """A sequence of `PredictionResult`, each made when it is looked at."""

  def __init__(self, parts: Sequence[_Part]) -> None:
    self._parts = parts
    self._count = sum(len(part.examples) for part in parts)

  def __len__(self) -> int:
    return self._count

  def __iter__(self) -> Iterator[base.PredictionResult]:
    for examples, inferences, model_id in self._parts:
      for example, inference in zip(examples, inferences):
        yield base.PredictionResult(example, inference, model_id)

  def __getitem__(self, index: Union[int, slice]) -> Any:
    if isinstance(index, slice):
      start, end, step = index.indices(self._count)
      return Results(list(self._cut(start, end))) if step == 1 else list(self)[index]
    place = range(self._count)[index]
    return next(iter(self[place:place + 1]))

  def _cut(self, start: int, end: int) -> Iterator[_Part]:
    offset = 0
    for examples, inferences, model_id in self._parts:
      low, high = max(start - offset, 0), min(end - offset, len(examples))
      if low < high:
        yield _Part(examples[low:high], inferences[low:high], model_id)
      offset += len(examples)

  def identified(self, path: str) -> Results:
    """The same, saying which model made them where the handler does not."""
    return Results([part if part.model_id is not None else part._replace(model_id=path) for part in self._parts])

  def values(self, field: str) -> Union[np.ndarray, list[Any]]:
    """A field of all results: the inferences as one array if they are alike."""
    if field == 'model_id':
      return [part.model_id for part in self._parts for _ in range(len(part.examples))]
    arrays = [as_numpy(part.inferences) for part in self._parts]
    if len({(array.dtype, array.shape[1:]) for array in arrays}) == 1:
      return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
    return list(itertools.chain.from_iterable(arrays))


def kept(results: Iterable[Any]) -> Sequence[Any]:
  """What a handler gave, as something that has a length."""
  return results if isinstance(results, Results) else list(results)


def joined(parts: Sequence[Sequence[Any]]) -> Sequence[Any]:
  """One sequence after another."""
  if len(parts) == 1:
    return parts[0]
  if parts and all(isinstance(part, Results) for part in parts):
    return Results([part for results in parts for part in results._parts])
  return [result for part in parts for result in part]


_in_beam = utils._convert_to_result


def _converted(batch: Any, predictions: Any, model_id: Optional[str] = None) -> Sequence[base.PredictionResult]:
  # Another number of predictions than of examples is for Beam to pair.
  if _is_array(predictions) and hasattr(batch, '__len__') and len(predictions) == len(batch):
    # Numbers would have been copied by now, and a model may use its array again for the next call.
    kept_numbers = predictions.copy() if type(predictions) is np.ndarray and predictions.ndim == 1 else predictions
    return Results([_Part(batch, kept_numbers, model_id)])
  return _in_beam(batch, predictions, model_id)


def _is_array(predictions: Any) -> bool:
  cls = type(predictions)
  is_array = cls is np.ndarray or (cls.__module__.partition('.')[0], cls.__name__) in _TENSORS
  return is_array and len(predictions.shape) > 0


_TENSORS = frozenset((('torch', 'Tensor'), ('tensorflow', 'EagerTensor')))


utils._convert_to_result = _converted
