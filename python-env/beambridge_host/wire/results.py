# SPDX-License-Identifier: Apache-2.0
"""Predictions of a batch that stay the array which the model gave.

Beam's handlers make an object of each prediction, which takes longer than a small model does, and
then each is taken apart again. Here the array is kept for whoever writes all predictions at once;
who looks at single ones (functions after the handler, a handler around it) gets Beam's objects.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import copy
import itertools
from collections.abc import Collection, Mapping, MutableSequence, Set
from typing import Any, Callable, Iterable, Iterator, NamedTuple, Optional, Sequence, Union

import numpy as np
from apache_beam.ml.inference import base, utils

from beambridge_host.wire.exact_numbers import as_numpy
from beambridge_host.wire.frames import Frames
from beambridge_host.wire.outputs import counted, predictions_of, predictions_of_filled
from beambridge_host.wire.owned import owned
from beambridge_host.wire.row_forms import as_array, rows_of
from beambridge_host.wire.row_order import (
    change_of, is_pair, order_of_examples, order_of_results, say_of_their_rows)
from beambridge_host.wire.several import Several, not_a_batch


class _Part(NamedTuple):
  """What one call of a handler gave."""
  examples: Sequence[Any]
  # A numpy array or a tensor of some framework, whose first dimension is that of the examples; several of them; or a list.
  inferences: Any
  model_id: Optional[str]
  # The list that a handler said these are of. It may change while they are looked at, so that the examples are what it held then.
  batch: Any = None


class Results(Sequence):
  """A sequence of `PredictionResult`, each made when it is looked at."""

  def __init__(self, parts: Sequence[_Part]) -> None:
    self._parts = parts
    self._count = sum(len(part.examples) for part in parts)

  def __len__(self) -> int:
    return self._count

  def __iter__(self) -> Iterator[base.PredictionResult]:
    for examples, inferences, model_id, _ in self._parts:
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
    for examples, inferences, model_id, _ in self._parts:
      low, high = max(start - offset, 0), min(end - offset, len(examples))
      if low < high:
        yield _Part(examples[low:high], inferences[low:high], model_id)
      offset += len(examples)

  def identified(self, path: str) -> Results:
    """The same, saying which model made them where the handler does not."""
    return Results([part if part.model_id is not None else part._replace(model_id=path) for part in self._parts])

  def of_given(self, batch: Any, count: int) -> Results:
    """Those of the rows that were given, where a handler filled the batch up and gives back what Beam's function made of it."""
    if len(self._parts) != 1 or self._parts[0].batch is not batch or self._count <= count:
      return self
    part = self._parts[0]
    return Results([part._replace(examples=part.examples[:count], inferences=part.inferences[:count])])

  def values(self, field: str) -> Union[np.ndarray, Several, list[Any]]:
    """A field of all results: the inferences as one array, or one of each output, if they are alike."""
    if field == 'model_id':
      return [part.model_id for part in self._parts for _ in range(len(part.examples))]
    inferences = [part.inferences for part in self._parts]
    if inferences and all(isinstance(each, Several) for each in inferences):
      joint = inferences[0].followed_by(inferences[1:])
      return list(itertools.chain.from_iterable(inferences)) if joint is None else joint
    if any(isinstance(each, Several) for each in inferences):
      return list(itertools.chain.from_iterable(inferences))
    arrays = [as_numpy(each) for each in inferences]
    if all(hasattr(array, 'dtype') for array in arrays) and len({(array.dtype, array.shape[1:]) for array in arrays}) == 1:
      return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
    return list(itertools.chain.from_iterable(arrays))


def kept(results: Iterable[Any], rows: Sequence[Any]) -> Sequence[Any]:
  """What a handler gave for some rows, as something that has as many."""
  if isinstance(results, Results):
    return results
  if isinstance(results, (list, Iterator)) or _are_results(results):
    return list(map(_kept_one, results))
  # Handlers that write `return model.predict(…)` have what Beam's have taken apart.
  return _converted(rows, results)


def _are_results(given: Any) -> bool:
  """Whether a tuple, a deque, the values of a dict or the like holds results of rows, and no outputs of a model."""
  if isinstance(given, (str, bytes, Mapping, Set, base.PredictionResult)) or not isinstance(given, Collection):
    return False
  return getattr(given, 'dtype', object) == object and any(map(_is_result, given))


def _is_result(value: Any) -> bool:
  return isinstance(value[1] if is_pair(value) else value, base.PredictionResult)


def asked(handler: Any, rows: Sequence[Any], model: Any, inference_args: Any) -> Sequence[Any]:
  """What a handler gives for some rows, which it may change: neither another call nor functions after it see that."""
  taken = owned(rows)
  return in_order(lambda: handler.run_inference(taken, model, inference_args), taken, rows)


def in_order(ask: Callable[[], Any], taken: Sequence[Any], rows: Sequence[Any]) -> Sequence[Any]:
  """What a handler gives for rows that it takes, in their order also where its results say that they are in another.

  Args:
    taken: what the handler is given, which it may change: a list even by sorting it, or by taking its rows out.
    rows: the same for whoever asks.
  """
  is_list = type(taken) in (list, tuple)
  before = tuple(taken) if is_list else taken
  lengths = _lengths()
  lengths[id(taken)] = len(taken)
  try:
    results = kept(ask(), before)
  finally:
    lengths.pop(id(taken), None)
  if isinstance(results, Results):
    results = results.of_given(taken, len(before))
  given = (taken, before)
  held = before if is_list else rows
  change = change_of(taken, held) if is_list or isinstance(taken, np.ndarray) else None
  if _says_whose(results, before):
    # Rows of an array are made anew each time that they are looked at, and a model may have sorted its own.
    places = _told(results, before if is_list else rows_of(rows))
    if places is not None:
      every = list(results)
      return [every[place] for place in places]
    if change and say_of_their_rows(list(results), list(held)):
      change = None
  if change:
    raise not_a_batch(
        f'the model handler {change} the batch that it was given, and its {len(results)} predictions do not say whose they are',
        hint='Do that with a copy, as in sorted(batch) or list(batch), and give predictions in the order of the rows. '
        'Or give PredictionResult(example, prediction) for each, where examples are lists, dicts, arrays or rows.')
  return _of_rows(results, given, rows)


def _lengths() -> dict[int, int]:
  """How many rows batches held when handlers were given them, by their ids, while these have them.

  One for a process, in which there may be copies of this module that were pickled by value.
  """
  return vars(utils).setdefault('_beambridge_lengths', {})


def _says_whose(results: Sequence[Any], given: Sequence[Any]) -> bool:
  """Whether results have examples other than all that were given, in whatever order these now are."""
  if isinstance(results, Results):
    return any(part.examples is not given for part in results._parts)
  return any(map(_is_result, results))


def _told(results: Sequence[Any], rows: Sequence[Any]) -> Optional[list[int]]:
  if isinstance(results, Results):
    return order_of_examples([example for part in results._parts for example in as_array(part.examples)], rows)
  return order_of_results(results, rows)


def _of_rows(results: Sequence[Any], given: Sequence[Sequence[Any]], rows: Sequence[Any]) -> Sequence[Any]:
  """Results of the rows as they were before a model took them."""
  if not isinstance(results, Results):
    return results
  return Results([part._replace(examples=rows, batch=None) if _is_of(part, given, len(rows)) else part for part in results._parts])


def _is_of(part: _Part, given: Sequence[Sequence[Any]], count: int) -> bool:
  return any(part.examples is each or part.batch is each and len(part.examples) == count for each in given)


def _kept_one(result: Any) -> Any:
  if is_pair(result) and _is_result(result):
    return owned(result[0]), _kept_one(result[1])  # Its example says whose it is.
  if isinstance(result, base.PredictionResult):
    return result if type(result.inference) in (float, int, str) else result._replace(inference=owned(result.inference))
  return owned(result)


def joined(parts: Sequence[Sequence[Any]]) -> Sequence[Any]:
  """One sequence after another."""
  if len(parts) == 1:
    return parts[0]
  if parts and all(isinstance(part, Results) for part in parts):
    return Results([part for results in parts for part in results._parts])
  return [result for part in parts for result in part]


def _converted(batch: Any, predictions: Any, model_id: Optional[str] = None) -> Sequence[base.PredictionResult]:
  """In place of Beam's function, which pairs examples with whatever there is and cuts the longer."""
  is_list = isinstance(batch, MutableSequence)
  examples = tuple(batch) if is_list or not hasattr(batch, '__len__') else batch
  count, given = len(examples), _lengths().get(id(batch), len(examples))
  if given < count:
    inferences = predictions_of_filled(predictions, count, given, _are_frames(examples))
    examples = examples[:len(inferences)]
  else:
    inferences = predictions_of(predictions, count, _are_frames(examples))
  # A model may use its arrays again for the next call, before these are looked at.
  return Results([_Part(examples, owned(inferences), model_id, batch if is_list else None)])


def _are_frames(batch: Any) -> bool:
  return isinstance(batch, Frames) or isinstance(batch, (list, tuple)) and len(batch) > 0 and hasattr(batch[0], 'iloc')


def of_function(results: Any, batch: Any, model_id: Optional[str] = None) -> Any:
  """What an inference function of a program's gave where Beam takes it as it is: results, or predictions of a batch."""
  if type(results) is list and not any(isinstance(each, base.PredictionResult) for each in results):
    return _converted(batch, results, model_id)
  return results


class _InBeam(NamedTuple):
  """What was there before."""
  keyed: Any
  maybe_keyed: Any


def _of_each(handler: Any, rows: Sequence[Any], model: Any, inference_args: Any) -> Sequence[Any]:
  taken = copy.copy(rows)  # A handler may change its list.
  return counted(in_order(lambda: handler.run_inference(taken, model, inference_args), taken, rows), rows)


def _pairs(handler: Any, batch: Sequence[Any], model: Any, inference_args: Any) -> Iterable[Any]:
  keys, rows = zip(*batch)
  return list(zip(keys, _of_each(handler._unkeyed, rows, model, inference_args)))


class _Inner:
  """One of the handlers of a model per key, which Beam asks for what it then takes apart."""

  def __init__(self, handler: Any) -> None:
    self._handler = handler

  def __getattr__(self, name: str) -> Any:
    return getattr(self._handler, name)

  def run_inference(self, rows: Sequence[Any], model: Any, inference_args: Any = None) -> Sequence[Any]:
    return _of_each(self._handler, rows, model, inference_args)


def _per_key(handler: Any, run: Any, batch: Sequence[Any], model: Any, inference_args: Any) -> Iterable[Any]:
  asked_once = copy.copy(handler)
  asked_once._id_to_mh_map = {name: _Inner(inner) for name, inner in handler._id_to_mh_map.items()}
  # How many models there may be is said once for a process, and each of its threads has a handler of its own.
  mine = object()
  if vars(model).setdefault('_beambridge_bounded_by', mine) is not mine:
    asked_once._max_models_per_worker_hint = None
  handler._max_models_per_worker_hint = None
  return run(asked_once, batch, model, inference_args)


def take_over() -> None:
  """Puts these functions in the place of Beam's, each of which cuts what is too much.

  Whoever runs a handler asks for it, since a worker elsewhere has this module's functions and never imports it.
  """
  utils._convert_to_result = _converted
  keyed, maybe_keyed = base.KeyedModelHandler, base.MaybeKeyedModelHandler
  if hasattr(keyed.run_inference, 'in_beam'):
    return
  before = _InBeam(keyed.run_inference, maybe_keyed.run_inference)

  def run_keyed(self: Any, batch: Sequence[Any], model: Any, inference_args: Any = None) -> Iterable[Any]:
    if self._single_model:
      return _pairs(self, batch, model, inference_args)
    return _per_key(self, before.keyed, batch, model, inference_args)

  def run_maybe_keyed(self: Any, batch: Sequence[Any], model: Any, inference_args: Any = None) -> Iterable[Any]:
    return (_pairs if isinstance(batch[0], tuple) else before.maybe_keyed)(self, batch, model, inference_args)

  run_keyed.in_beam = run_maybe_keyed.in_beam = before  # type: ignore[attr-defined]
  keyed.run_inference, maybe_keyed.run_inference = run_keyed, run_maybe_keyed


take_over()
