# SPDX-License-Identifier: Apache-2.0
"""Packed batches around a model handler: unpack, predict, convert, pack.

A packed batch is `rows (varint), timestamps, keys, examples`, each of the last three after its
length; timestamps concern TypeScript only and keys are empty without a key type. The answer is the
batch itself after its length, then a column of inferences, then one of model ids if declared.
The other end is src/ml/packing.ts.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import traceback
from collections import defaultdict, deque
from typing import Any, Iterable, Iterator, Optional, Sequence

import apache_beam as beam
from apache_beam.coders import coder_impl
from apache_beam.ml.inference import base
from apache_beam.portability.api import schema_pb2

from beambridge_host import examples
from beambridge_host.columns import ColumnReader, prefixed
from beambridge_host.errors import BridgeError, bridge_error
from beambridge_host.models import check_model, load_error, python_error
from beambridge_host.predictions import Misfit, PredictionColumn

try:
  # Beam forgets this module of Python's where torch is missing, and then measures no memory.
  import resource

  base.resource = base.resource or resource
except ImportError:
  pass  # Windows has none.


# What RunInference takes for a batch of examples: its length is what it counts. Each row comes with
# the packed batch that it begins, or with None. Plain types, because every worker must know them.
Rows = list[tuple[Optional[bytes], Any]]


def row_count(batch: bytes) -> int:
  """How many rows a packed batch holds."""
  return coder_impl.create_InputStream(batch[:10]).read_var_int64()


class Unpack(beam.DoFn):
  """Packed batches to rows for a handler."""

  def __init__(self, handler: Any, example_field: bytes, key_field: bytes) -> None:
    self._handler = handler
    self._fields = (example_field, key_field)

  def setup(self) -> None:
    example, key = self._fields
    self._examples = ColumnReader(schema_pb2.Field.FromString(example))
    self._keys = ColumnReader(schema_pb2.Field.FromString(key)) if key else None
    self._adapt = examples.example_adapter(self._handler)

  def process(self, element: Any) -> Iterator[Rows]:
    rows: Rows = []
    for raw in [element] if isinstance(element, bytes) else element:
      stream = coder_impl.create_InputStream(raw)
      count = stream.read_var_int64()
      stream.read_all(True)  # The timestamps.
      keys, column = stream.read_all(True), stream.read_all(True)
      values = self._adapt(self._examples.read(column, count))
      if self._keys is not None:
        keyed = self._keys.read(keys, count)
        values = list(zip(keyed.tolist() if hasattr(keyed, 'tolist') else keyed, values))
      rows.extend((None if i else raw, value) for i, value in enumerate(values))
    yield rows


class Held:
  """A model of any type."""

  def __init__(self, model: Any) -> None:
    self.model = model


class PackedHandler(base.ModelHandler):
  """A handler of packed rows around the user's handler."""

  def __init__(self, inner: Any, transform: str) -> None:
    super().__init__()
    self._inner = inner
    self._transform = transform

  def __str__(self) -> str:
    return str(self._inner)

  def load_model(self) -> Any:
    try:
      model = self._inner.load_model()
    except Exception as error:
      raise load_error(error, self._transform) from error
    check_model(self._inner, model, self._transform)
    # Beam keeps a weak reference to a model, which a dict or a number cannot have.
    has_weak_references = getattr(type(model), '__weakrefoffset__', 0) != 0
    return model if has_weak_references or self.share_model_across_processes() else Held(model)

  def run_inference(
      self, batch: Rows, model: Any, inference_args: Optional[dict[str, Any]] = None) -> Iterable[Any]:
    rows = [row for _, row in batch]
    model = model.model if isinstance(model, Held) else model
    predictions: list[Any] = []
    try:
      for apply in self._inner.get_preprocess_fns():
        rows = [apply(row) for row in rows]
      for part in self._slices(rows):
        predictions.extend(self._in_order(part, list(self._inner.run_inference(part, model, inference_args))))
      for apply in self._inner.get_postprocess_fns():
        predictions = [apply(prediction) for prediction in predictions]
    except BridgeError:
      raise
    except Exception as error:
      # Models of a KeyedModelHandler that has several are loaded here.
      frames = traceback.walk_tb(error.__traceback__)
      if any(frame.f_code.co_name == 'load_model' for frame, _ in frames):
        raise load_error(error, self._transform) from error
      raise python_error(error, 'the model handler failed', self._transform) from error
    out: list[tuple[bytes, list[Any]]] = []
    for (raw, _), prediction in zip(batch, predictions):
      if raw is not None:
        out.append((raw, []))
      out[-1][1].append(prediction)
    return out

  def _slices(self, rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    batching = self._inner.batch_elements_kwargs()
    largest = batching.get('max_batch_weight') or batching.get('max_batch_size') or len(rows)
    size_of = batching.get('element_size_fn')
    if size_of is None:
      for start in range(0, len(rows), largest):
        yield rows[start:start + largest]
      return
    part: list[Any] = []
    weight = 0
    for row in rows:
      size = size_of(row)
      if part and weight + size > largest:
        yield part
        part, weight = [], 0
      part.append(row)
      weight += size
    if part:
      yield part

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

  def get_num_bytes(self, batch: Rows) -> int:
    return sum(len(raw) for raw, _ in batch if raw is not None)

  def should_skip_batching(self) -> bool:
    return True

  def get_metrics_namespace(self) -> str:
    return self._inner.get_metrics_namespace()

  def get_resource_hints(self) -> dict:
    return self._inner.get_resource_hints()

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


class Pack(beam.DoFn):
  """Predictions to the declared types, beside the batch that they answer."""

  def __init__(self, declared: list[bytes], transform: str) -> None:
    self._declared = declared
    self._transform = transform

  def setup(self) -> None:
    fields = [schema_pb2.Field.FromString(field) for field in self._declared]
    self._columns = [(field.name, PredictionColumn(field)) for field in fields]

  def process(self, element: tuple[bytes, list[Any]]) -> Iterator[bytes]:
    raw, predictions = element
    results = [_result(prediction) for prediction in predictions]
    out = [prefixed(raw)]
    for name, column in self._columns:
      try:
        out.append(prefixed(column.pack([getattr(result, name) for result in results])))
      except Misfit as misfit:
        raise bridge_error(
            'INFERENCE_MISMATCH',
            misfit.describe(name),
            hint='Declare the type that the model gives, or convert in the model handler.',
            transform=self._transform) from None
    yield b''.join(out)


def _result(prediction: Any) -> base.PredictionResult:
  if isinstance(prediction, tuple) and not isinstance(prediction, base.PredictionResult) and len(prediction) == 2:
    prediction = prediction[1]  # A key and its prediction.
  if isinstance(prediction, base.PredictionResult):
    return prediction
  # A handler or a postprocessing function may give its result bare.
  return base.PredictionResult(None, prediction)
