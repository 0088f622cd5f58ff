# SPDX-License-Identifier: Apache-2.0
"""Packed batches around a model handler: unpack, predict, convert, pack.

A packed batch is `rows (varint), timestamps, keys, examples`, each of the last three after its
length; timestamps concern TypeScript only and keys are empty without a key type. The answer is the
batch itself after its length, then a column of inferences, then one of model ids if declared.
The other end is src/ml/packing.ts.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import itertools
import time
import traceback
from collections import defaultdict, deque
from typing import Any, Iterable, Iterator, Mapping, NamedTuple, Optional, Sequence

import apache_beam as beam
from apache_beam.coders import coder_impl
from apache_beam.ml.inference import base
from apache_beam.portability.api import schema_pb2

from beambridge_host import examples
from beambridge_host.columns import ColumnReader, prefixed
from beambridge_host.errors import BridgeError, RowFailure, bridge_error
from beambridge_host.misfit import Misfit
from beambridge_host.models import check_model, load_error, python_error
from beambridge_host.predictions import PredictionColumn

try:
  # Beam forgets this module of Python's where torch is missing, and then measures no memory.
  import resource

  base.resource = base.resource or resource
except ImportError:
  pass  # Windows has none.


class Declared(NamedTuple):
  """Declared fields as serialized messages, which cannot be pickled themselves."""
  example: bytes
  # Empty without keys.
  key: bytes
  # The inference, and the model id if it is wanted.
  predicted: tuple[bytes, ...]


def row_count(batch: bytes) -> int:
  """How many rows a packed batch holds."""
  return coder_impl.create_InputStream(batch[:10]).read_var_int64()


class PackedRows:
  """What RunInference takes for a batch of examples: its length is what it counts.

  Beam encodes some elements to learn their size, and a worker elsewhere may not know this class, so
  it is pickled as the plain batches.
  """

  def __init__(self, batches: list[bytes]) -> None:
    self.batches = batches
    self._count = sum(map(row_count, batches))

  def __len__(self) -> int:
    return self._count

  def __reduce__(self) -> tuple[Any, ...]:
    return (list, (self.batches,))


class Gather(beam.DoFn):
  """Gives packed batches their length in rows."""

  def process(self, element: Any) -> Iterator[PackedRows]:
    yield PackedRows([element] if isinstance(element, bytes) else element)


class Columns:
  """Reads examples and writes predictions of the declared types."""

  def __init__(self, handler: Any, declared: Declared, transform: str) -> None:
    self._examples = ColumnReader(schema_pb2.Field.FromString(declared.example))
    # A handler that takes examples alone does not see the keys, which TypeScript gives back.
    pairs = declared.key and (examples.takes_keys(handler) or not examples.says_example(handler))
    self._keys = ColumnReader(schema_pb2.Field.FromString(declared.key)) if pairs else None
    predicted = [schema_pb2.Field.FromString(field) for field in declared.predicted]
    self._predicted = [(field.name, PredictionColumn(field)) for field in predicted]
    self._adapt = examples.example_adapter(handler, self._examples.is_tensor)
    self._transform = transform

  def parse(self, batch: bytes) -> tuple[Optional[Sequence[Any]], Sequence[Any]]:
    """The keys, if there are any, and the examples of a packed batch."""
    stream = coder_impl.create_InputStream(batch)
    count = stream.read_var_int64()
    stream.read_all(True)  # The timestamps.
    keys, column = stream.read_all(True), stream.read_all(True)
    values = self._examples.read(column, count)
    if self._keys is None:
      return None, values
    keyed = self._keys.read(keys, count)
    return keyed.tolist() if hasattr(keyed, 'tolist') else keyed, values

  def adapt(self, values: Sequence[Any]) -> Sequence[Any]:
    """Examples as the handler takes them."""
    return self._adapt(values)

  def read(self, batch: bytes) -> Sequence[Any]:
    """The rows of a packed batch as a handler takes them."""
    keys, values = self.parse(batch)
    adapted = self.adapt(values)
    return adapted if keys is None else list(zip(keys, adapted))

  def answer(self, batch: bytes, predictions: Sequence[Any]) -> bytes:
    """The batch and its predictions in the declared types."""
    results = [result_of(prediction) for prediction in predictions]
    try:
      return prefixed(batch) + self.pack(results)
    except Misfit as misfit:
      raise self._mismatch(misfit) from None

  def pack(self, results: Sequence[base.PredictionResult]) -> bytes:
    """The columns of predictions. Raises Misfit, whose path starts with the field, for the first that does not fit."""
    out = []
    for name, column in self._predicted:
      try:
        out.append(prefixed(column.pack([getattr(result, name) for result in results])))
      except Misfit as misfit:
        misfit.path = name + misfit.path
        raise
    return b''.join(out)

  def checked(self, result: base.PredictionResult) -> base.PredictionResult:
    """The result, if every declared field of it fits."""
    try:
      self.pack([result])
    except Misfit as misfit:
      raise self._mismatch(misfit) from None
    return result

  def _mismatch(self, misfit: Misfit) -> BridgeError:
    return bridge_error(
        'INFERENCE_MISMATCH',
        misfit.describe(''),
        hint='Declare the type that the model gives, or convert in the model handler.',
        transform=self._transform)


class BatchSizes:
  """How many rows a handler gets at once: as it was told, or more and more while that is fast.

  A packed batch holds thousands of small rows, which is right for a model of microseconds and far too
  much for one of seconds.
  """

  _FIRST, _LARGEST = 16, 10_000
  _FAST_S, _SLOW_S = 0.1, 5.0

  def __init__(self, batching: Mapping[str, Any], least: int = 1) -> None:
    """
    Args:
      batching: what the handler was told.
      least: rows below which the handler would not be used well, see RemoteRows.
    """
    self._largest = batching.get('max_batch_weight') or batching.get('max_batch_size') or self._LARGEST
    self._smallest = min(batching.get('min_batch_size') or least, self._largest)
    self._size = min(max(self._FIRST, self._smallest), self._largest)
    self._weight_of = batching.get('element_size_fn')

  def slices(self, rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The rows in parts; the time until the next is asked for counts as the handler's."""
    start = 0
    while start < len(rows):
      end = min(start + self._size, len(rows)) if self._weight_of is None else self._end_by_weight(rows, start)
      began = time.perf_counter()
      yield rows[start:end]
      self._learn(end - start, time.perf_counter() - began)
      start = end

  def _learn(self, count: int, seconds: float) -> None:
    if seconds > self._SLOW_S:
      self._size = max(self._size // 2, self._smallest)
    elif seconds < self._FAST_S and count == self._size:
      self._size = min(self._size * 2, self._largest)

  def _end_by_weight(self, rows: Sequence[Any], start: int) -> int:
    weight = 0
    for end in range(start, len(rows)):
      weight += self._weight_of(rows[end])
      if weight > self._largest and end > start:
        return end
    return len(rows)


class Held:
  """A model of any type."""

  def __init__(self, model: Any) -> None:
    self.model = model


class PackedHandler(base.ModelHandler):
  """A handler of packed rows around the user's handler."""

  def __init__(self, inner: Any, declared: Declared, transform: str) -> None:
    super().__init__()
    self._inner = inner
    self._declared = declared
    self._transform = transform
    # Made on the worker, because codecs cannot be pickled.
    self._columns: Optional[Columns] = None
    least = max(getattr(each, 'least_rows', 1) for each in examples.inner_handlers(inner))
    self._sizes = BatchSizes(inner.batch_elements_kwargs(), least)

  def __str__(self) -> str:
    return str(self._inner)

  def load_model(self) -> Any:
    try:
      model = self._inner.load_model()
    except BridgeError:
      raise
    except Exception as error:
      raise load_error(error, self._transform) from error
    check_model(self._inner, model, self._transform)
    # Beam keeps a weak reference to a model, which a dict or a number cannot have.
    has_weak_references = getattr(type(model), '__weakrefoffset__', 0) != 0
    return model if has_weak_references or self.share_model_across_processes() else Held(model)

  def run_inference(
      self, batch: PackedRows, model: Any, inference_args: Optional[dict[str, Any]] = None) -> Iterable[bytes]:
    self._columns = self._columns or Columns(self._inner, self._declared, self._transform)
    batches = batch.batches if isinstance(batch, PackedRows) else batch
    model = model.model if isinstance(model, Held) else model
    try:
      return self._answers(batches, model, inference_args)
    except BridgeError:
      raise
    except Exception as error:
      if loads_model(error):
        raise load_error(error, self._transform) from error
      raise python_error(error, 'the model handler failed', self._transform) from error

  def _answers(
      self, batches: Sequence[bytes], model: Any, inference_args: Optional[dict[str, Any]]) -> list[bytes]:
    columns = self._columns
    parts = [columns.read(each) for each in batches]
    rows = parts[0] if len(parts) == 1 else list(itertools.chain(*parts))
    predictions = self._predict(rows, model, inference_args)
    ends = itertools.accumulate(map(len, parts))
    return [columns.answer(each, predictions[end - len(part):end]) for each, part, end in zip(batches, parts, ends)]

  def _predict(self, rows: Sequence[Any], model: Any, inference_args: Optional[dict[str, Any]]) -> list[Any]:
    for apply in self._inner.get_preprocess_fns():
      rows = [apply(row) for row in rows]
    predictions: list[Any] = []
    for part in self._sizes.slices(rows):
      predictions.extend(self._in_order(part, list(self._inner.run_inference(part, model, inference_args))))
    for prediction in predictions:
      if failure := row_failure(prediction):
        raise failure.error
    for apply in self._inner.get_postprocess_fns():
      predictions = [apply(prediction) for prediction in predictions]
    return predictions

  def _in_order(self, rows: Sequence[Any], predictions: list[Any]) -> list[Any]:
    if len(predictions) != len(rows):
      raise bridge_error(
          'INFERENCE_MISMATCH',
          f'the model handler gave {len(predictions)} predictions for {len(rows)} examples',
          hint='A handler must give one prediction for each example, in order.',
          transform=self._transform)
    if not getattr(self._inner, '_id_to_mh_map', None):
      return predictions
    # With a model per key, predictions come grouped by key.
    waiting: dict[Any, deque[Any]] = defaultdict(deque)
    for prediction in predictions:
      waiting[prediction[0]].append(prediction)
    return [waiting[row[0]].popleft() for row in rows]

  def get_num_bytes(self, batch: PackedRows) -> int:
    return sum(map(len, batch.batches if isinstance(batch, PackedRows) else batch))

  def should_skip_batching(self) -> bool:
    return True

  def get_metrics_namespace(self) -> str:
    return self._inner.get_metrics_namespace()

  def validate_inference_args(self, inference_args: Optional[dict[str, Any]]) -> None:
    self._inner.validate_inference_args(inference_args)

  def update_model_path(self, model_path: Optional[str] = None) -> None:
    self._inner.update_model_path(model_path)

  def update_model_paths(self, model: Any, model_paths: Any = None) -> None:
    self._inner.update_model_paths(model, model_paths)

  def set_environment_vars(self) -> None:
    self._inner.set_environment_vars()

  def share_model_across_processes(self) -> bool:
    return self._inner.share_model_across_processes()

  def model_copies(self) -> int:
    return self._inner.model_copies()

  def override_metrics(self, metrics_namespace: str = '') -> bool:
    return self._inner.override_metrics(metrics_namespace)

  def should_garbage_collect_on_timeout(self) -> bool:
    return self._inner.should_garbage_collect_on_timeout()


def loads_model(error: BaseException) -> bool:
  """Whether an exception came out of loading a model: a KeyedModelHandler of several does so while it predicts."""
  return any(frame.f_code.co_name == 'load_model' for frame, _ in traceback.walk_tb(error.__traceback__))


def row_failure(prediction: Any) -> Optional[RowFailure]:
  """The failure that stands for a prediction, if one does."""
  if type(prediction) is tuple and len(prediction) == 2:
    prediction = prediction[1]  # A key and its prediction.
  return prediction if isinstance(prediction, RowFailure) else None


def result_of(prediction: Any) -> base.PredictionResult:
  """A prediction without its key."""
  if type(prediction) is tuple and len(prediction) == 2:
    prediction = prediction[1]  # A key and its prediction.
  # A handler or a postprocessing function may give its result bare.
  return prediction if isinstance(prediction, base.PredictionResult) else base.PredictionResult(None, prediction)
