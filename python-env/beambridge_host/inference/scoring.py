# SPDX-License-Identifier: Apache-2.0
"""A model handler of packed batches around the user's: unpack, predict, convert, pack."""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import functools
import itertools
import os
import time
from typing import Any, Callable, Iterable, Mapping, NamedTuple, Optional, Sequence

from apache_beam.ml.inference import base

from beambridge_host.errors import BridgeError, bridge_error, in_transform
from beambridge_host.inference.batching import BatchSizes, in_memory
from beambridge_host.inference.calls import Child, GaveUp, within
from beambridge_host.inference.handlers_of_one import Handlers, Source
from beambridge_host.inference.metrics import InferenceMetrics
from beambridge_host.inference.model_cache import Loaded, Models, Plan, shared_models
from beambridge_host.inference.models import (
    check_model, load_error, loads_model, memory_error, out_of_memory, python_error, shape_hint, told_by_file)
from beambridge_host.wire import examples
from beambridge_host.wire.fitted_columns import telling
from beambridge_host.wire.frames import Frames, whole_frame
from beambridge_host.wire.packed import (
    Columns, Declared, PackedRows, Update, identified, read_updates, row_count, row_failure, without_key)
from beambridge_host.wire.results import Results, asked, counted, joined, take_over
from beambridge_host.wire.route_keys import route_key
from beambridge_host.wire.row_order import by_keys
from beambridge_host.worker import threads, variables


class Route(NamedTuple):
  """A handler of the user's, and what runs around it."""
  handler: Any
  # The same with the program's functions around it.
  outer: Any
  # Whether it takes (key, example) pairs.
  pairs: bool
  batching: Mapping[str, Any] = {}
  # For the metrics of this route alone.
  name: str = ''


class Setup(NamedTuple):
  """What a PackedHandler is made of."""
  routes: Sequence[Route]
  declared: Declared
  transform: str
  plan: Plan
  # The same in all copies of the handler.
  made: str
  # Which route a key takes; None where there is one for all.
  route_of: Optional[Mapping[Any, int]] = None
  # Whether the model is loaded before the first row comes.
  eager: bool = True
  # Whether Beam's model manager holds the model.
  managed: bool = False
  env_vars: Mapping[str, str] = {}
  # Seconds for one call of the handler.
  limit: Optional[float] = None
  all_may_fail: bool = False
  # Whether the model may change as time goes on.
  updates: bool = False


class PackedHandler(base.ModelHandler):
  """A handler of packed rows around the user's handlers."""

  def __init__(self, setup: Setup) -> None:
    super().__init__()
    self._setup = setup
    self._first = setup.routes[0].handler
    self._transform = setup.transform
    # Made on the worker, because codecs cannot be pickled.
    self._columns: Optional[Columns] = None
    self._adapters: list[Any] = []
    self._metrics: Optional[InferenceMetrics] = None
    # Made there, too.
    self._handlers: Optional[Handlers] = None
    self._sizes = [BatchSizes(route.batching, least_rows(route.handler)) for route in setup.routes]

  def __str__(self) -> str:
    return ', '.join(str(route.handler) for route in self._setup.routes)

  def load_model(self) -> Any:
    take_over()
    setup = self._setup
    if setup.managed:
      return self._checked(telling(self._first.load_model), self._first)
    models = shared_models(setup.plan, functools.partial(check_model, transform=self._transform))
    if setup.eager:
      self._checked(lambda: models.get(Source(0, ''), self._of(models)))
    return models

  def _of(self, models: Models) -> Handlers:
    """The handlers that are used with the models."""
    if self._handlers is None:
      setup = self._setup
      # A call that takes too long goes on with the handler that it was given.
      is_left_behind = setup.limit is not None and not setup.plan.in_child
      self._handlers = models.join(self, setup.made, setup.routes, setup.updates or is_left_behind)
    return self._handlers

  def _checked(self, load: Callable[[], Any], managed: Any = None) -> Any:
    try:
      return load()
    except BridgeError:
      raise
    except Exception as error:
      if managed is not None:
        told_by_file(error, managed)
      raise load_error(error, self._transform) from error

  def run_inference(
      self, batch: PackedRows, model: Any, inference_args: Optional[dict[str, Any]] = None) -> Iterable[bytes]:
    setup = self._setup
    if self._columns is None:
      reads_keys = setup.route_of is not None or any(route.pairs for route in setup.routes)
      self._columns = Columns(setup.declared, setup.transform, reads_keys)
      self._adapters = [
          examples.example_adapter(route.outer, self._columns.example) for route in setup.routes
      ]
    batches = batch.batches if isinstance(batch, PackedRows) else batch
    try:
      return self._answers(batches, model, inference_args)
    except BridgeError as error:
      raise in_transform(error, self._transform) from error.__cause__
    except Exception as error:
      if loads_model(error):
        raise load_error(error, self._transform) from error
      if out_of_memory(error):
        raise memory_error(error, 'the model ran out of memory', self._transform) from error
      hint = shape_hint(error, setup.routes[0].outer, setup.declared.example)
      raise python_error(error, 'the model handler failed', self._transform, hint) from error
    finally:
      if self._metrics and isinstance(model, Models):
        self._metrics.loaded(model.loadings())

  def _answers(
      self, batches: Sequence[bytes], models: Any, inference_args: Optional[dict[str, Any]]) -> list[bytes]:
    call = Call(models, inference_args, sum(map(len, batches)) / max(1, sum(map(row_count, batches))))
    parsed = [self._columns.parse(batch) for batch in batches]
    scored: list[Sequence[Any]] = []
    for updates, group in itertools.groupby(parsed, lambda parts: parts[0]):
      scored.append(self._outcomes(read_updates(updates), [(keys, values) for _, keys, values in group], call))
    outcomes = joined(scored)
    ends = list(itertools.accumulate(len(values) for _, _, values in parsed))
    return [
        self._answer(batch, outcomes[end - len(values):end])
        for batch, (_, _, values), end in zip(batches, parsed, ends)
    ]

  def _outcomes(self, updates: Sequence[Update], parts: Sequence[Any], call: Call) -> Sequence[Any]:
    """What the rows of some batches give, which the same models may score."""
    if self._setup.route_of is None:
      return self._of_route(0, updates, parts, call)
    out: list[Any] = []
    taken: dict[int, tuple[list[int], list[Any], list[Any]]] = {}
    for keys, values in parts:
      for key, value in zip(keys, values):
        index = self._setup.route_of.get(route_key(key))
        if index is None:
          out.append(self._refused(self._no_model(key)))
          continue
        places, route_keys, route_values = taken.setdefault(index, ([], [], []))
        places.append(len(out))
        route_keys.append(key)
        route_values.append(value)
        out.append(None)
    for index, (places, route_keys, route_values) in taken.items():
      for place, outcome in zip(places, self._of_route(index, updates, [(route_keys, route_values)], call)):
        out[place] = outcome
    return out

  def _of_route(self, index: int, updates: Sequence[Update], parts: Sequence[Any], call: Call) -> Sequence[Any]:
    model, route = self._model(index, updates, call.models)
    # Which update it was: those that cannot be loaded are passed over.
    path = getattr(model, 'path', '')
    names = [update.name for update in updates if update.path == path and update.name]
    prefixes = [f'{route.name}-'] if route.name else []
    prefixes.extend(f'{prefixes[0]}{name}-' if prefixes else name for name in names[:1])
    adaptations: list[Sequence[Any]] = []
    for keys, values in parts:
      adapted = self._all(values, self._adapters[index], 'example')
      if route.pairs and keys is not None:
        adapted = self._paired(keys, adapted)
      adaptations.append(adapted)
    rows = examples.together(adaptations)
    preprocess = list(route.outer.get_preprocess_fns())
    for number, apply in enumerate(preprocess):
      rows = self._each(rows, apply, f'preprocess {number}')

    def infer(part: Sequence[Any]) -> Sequence[Any]:
      nonlocal model, route
      if isinstance(model, Loaded) and self._handlers.known(model) is None:
        # A call of before has them still. No other model: the rows of a batch have one, which their predictions name.
        model, route = self._checked(lambda: call.models.get(Source(index, path), self._of(call.models)))
      if not preprocess and isinstance(part, list) and hasattr(part[0], 'iloc'):
        part = Frames(whole_frame(part))  # What dead letters took apart.
      return in_memory(part, lambda rows: self._infer(route.handler, model, rows, call, prefixes, self._sizes[index], route.pairs))

    outcomes = self._fit(rows, lambda fit: self._sizes[index].apply(fit, lambda part: self._all(part, infer, 'inference')))
    if not isinstance(outcomes, Results) and any(map(row_failure, outcomes)):
      outcomes = self._each(outcomes, raise_failure, 'inference')
    for number, apply in enumerate(route.outer.get_postprocess_fns()):
      outcomes = self._each(outcomes, apply, f'postprocess {number}')
    if route.pairs:
      outcomes = self._each(outcomes, without_key, 'prediction')
    if not path:
      return outcomes
    if isinstance(outcomes, Results):
      return outcomes.identified(path)
    return self._each(outcomes, lambda outcome: identified(outcome, path), 'prediction')

  def _model(self, index: int, updates: Sequence[Update], models: Any) -> tuple[Any, Route]:
    if not isinstance(models, Models):
      return models, self._setup.routes[index]
    handlers = self._of(models)
    if not updates:
      return self._checked(lambda: models.get(Source(index, ''), handlers))
    failed = self._metrics.update_failed if self._metrics else lambda: None
    return self._checked(lambda: models.latest(index, [update.path for update in updates], handlers, failed))

  def _infer(
      self, handler: Any, model: Any, rows: Sequence[Any], call: Call, prefixes: Sequence[str],
      sizes: BatchSizes, pairs: bool) -> Sequence[Any]:
    began = time.perf_counter_ns()
    try:
      with threads.CALLS.call():
        if isinstance(model, Loaded):
          predictions = model.infer(handler, rows, call.inference_args, self._setup.limit)
        else:
          predictions = within(
              lambda: asked(handler, rows, model, call.inference_args), self._setup.limit)
    except BaseException as error:
      if self._metrics:
        self._metrics.failed(prefixes)
      if out_of_memory(error):
        sizes.too_large(len(rows))
      if isinstance(error, GaveUp) and isinstance(model, Loaded) and not isinstance(model.model, Child):
        call.models.abandon(self._handlers)
      raise
    if self._metrics:
      taken = (time.perf_counter_ns() - began) // 1000
      self._metrics.called(len(rows), round(call.bytes_per_row * len(rows)), taken, prefixes)
    counted(predictions, rows)
    return by_keys(predictions, rows) if pairs and not isinstance(predictions, Results) else predictions

  def _no_model(self, key: Any) -> BridgeError:
    return bridge_error(
        'NO_MODEL_FOR_KEY',
        f'no model is given for the key {key!r}',
        hint='Name the key in perKey, filter such elements out, or use withDeadLetters().',
        transform=self._transform)

  # What follows is what a handler of dead letters does otherwise.

  def _all(self, rows: Sequence[Any], act: Callable[[Sequence[Any]], Sequence[Any]], step: str) -> Sequence[Any]:
    return act(rows) if len(rows) else []

  def _each(self, values: Sequence[Any], act: Callable[[Any], Any], step: str) -> list[Any]:
    return [act(value) for value in values]

  def _paired(self, keys: Sequence[Any], rows: Sequence[Any]) -> list[Any]:
    return list(zip(keys, rows))

  def _fit(self, values: Sequence[Any], act: Callable[[Sequence[Any]], Sequence[Any]]) -> Sequence[Any]:
    return act(values)

  def _refused(self, error: BridgeError) -> Any:
    raise error

  def _answer(self, batch: bytes, outcomes: Sequence[Any]) -> bytes:
    return self._columns.answer(batch, outcomes)

  # Beam asks the rest.

  def get_num_bytes(self, batch: PackedRows) -> int:
    return sum(map(len, batch.batches if isinstance(batch, PackedRows) else batch))

  def should_skip_batching(self) -> bool:
    return True

  def get_metrics_namespace(self) -> str:
    return self._first.get_metrics_namespace() if self._setup.route_of is None else 'BeamML_KeyedModels'

  def validate_inference_args(self, inference_args: Optional[dict[str, Any]]) -> None:
    for route in self._setup.routes:
      route.handler.validate_inference_args(inference_args)

  def set_environment_vars(self) -> None:
    for given in (self._setup.env_vars, *(getattr(route.handler, '_env_vars', {}) for route in self._setup.routes)):
      variables.GIVEN.about_to_set(given)
    for route in self._setup.routes:
      route.handler.set_environment_vars()
    os.environ.update(self._setup.env_vars)

  def share_model_across_processes(self) -> bool:
    # Otherwise Models does it: what Beam would share is all of them.
    return self._setup.managed and self._first.share_model_across_processes()

  def override_metrics(self, metrics_namespace: str = '') -> bool:
    # Each is asked, because it may count by itself, as one with a model per key does.
    if not any([route.handler.override_metrics(metrics_namespace) for route in self._setup.routes]):
      self._metrics = InferenceMetrics(metrics_namespace)
    return True

  def should_garbage_collect_on_timeout(self) -> bool:
    return False


def least_rows(handler: Any) -> int:
  """Rows below which a handler would not be used well."""
  return max(getattr(inner, 'least_rows', 1) for inner in examples.inner_handlers(handler))


def raise_failure(prediction: Any) -> Any:
  """The prediction, unless a failure stands for it."""
  if failure := row_failure(prediction):
    raise failure.error
  return prediction


class Call(NamedTuple):
  """What all rows of one element have in common."""
  models: Any
  inference_args: Optional[dict[str, Any]]
  bytes_per_row: float
